"""YAML as values, each with the place where it stands."""
