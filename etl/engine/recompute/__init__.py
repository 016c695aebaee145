"""A part of a target recomputed at the position it has."""
