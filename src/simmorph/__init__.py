"""Make simulation look like data, on ROOT ntuples."""

__version__ = "0.1.0"
