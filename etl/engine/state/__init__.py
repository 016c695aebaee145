"""Stateful queries of Spark: their watermarks, and epochs that are kept back."""
