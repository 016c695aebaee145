"""Rows of Delta tables, looked up without a JVM: through delta-rs and its query engine, DataFusion."""
