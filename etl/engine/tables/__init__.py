"""Whole tables as plain values, for whoever compares or shows them."""
