"""A part of what a table holds computed anew: a range, or what was put aside."""
