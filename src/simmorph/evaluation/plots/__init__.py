"""Functions that draw, one family of plots a file."""
