"""What may stand where, and what each format, strategy and option means."""
