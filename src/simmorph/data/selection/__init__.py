"""A selection, run on the columns of a chunk."""
