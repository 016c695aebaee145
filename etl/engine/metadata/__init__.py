"""What Spark, Delta and this package wrote of their own work, read as files; no Spark."""
