"""A part of what a table holds recomputed: a range, or quarantined rows."""
