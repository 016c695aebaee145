"""What sources are made of, inferred from a sample of their files."""
