"""The same work as a pipeline's, written by hand."""
