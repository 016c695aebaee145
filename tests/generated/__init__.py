"""Pipelines from a grammar, and the plain Python model of what their tables must hold."""
