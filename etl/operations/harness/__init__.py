"""Pipelines run beside the user's tables, and tables compared: for tests and verification."""
