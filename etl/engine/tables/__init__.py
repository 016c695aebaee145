"""Whole tables as plain values, to be compared or shown."""
