"""A part of what a table holds recomputed: a range, or what was put aside."""
