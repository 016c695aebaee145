"""Checkpoints shown and reset, tables taken back or mended."""
