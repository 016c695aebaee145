"""What is there before anything is decided; no Spark."""
