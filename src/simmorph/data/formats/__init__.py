"""Files of columns that are not ROOT's, read as trees are."""
