"""The version of simmorph, for the outputs that name it."""

__version__ = "0.1.0"
