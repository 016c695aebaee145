"""The front door in Python: `etl.load`, for notebooks and scripts."""
