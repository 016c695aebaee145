"""What sources are made of, told from a sample of their files."""
