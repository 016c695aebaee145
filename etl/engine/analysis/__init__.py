"""Spark's analysed plan judged: what a transform is and what it allows."""
