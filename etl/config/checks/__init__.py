"""The parts of a spec held against each other."""
