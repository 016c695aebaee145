"""Values made whole before the grammar sees them: parameters, for_each, schemas in files."""
