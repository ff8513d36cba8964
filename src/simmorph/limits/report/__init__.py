"""Numbers, plots and tables of limits, written into a folder."""
