"""Inputs, one module a family of formats; no Spark until rows are asked for."""
