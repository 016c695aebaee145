"""Flows carried through: the only wing that calls kinds and sinks."""
