"""A flow's tables and folders kept small: what its readers still need, what is worth doing, and that done."""
