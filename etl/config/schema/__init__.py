"""Types, the DDL of schemas, and rows that are written in YAML."""
