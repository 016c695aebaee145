"""What will happen, as pure values: no Spark here."""
