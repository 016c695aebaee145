"""Making it happen on Spark."""
