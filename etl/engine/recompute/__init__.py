"""A part of a target computed anew at the position it has."""
