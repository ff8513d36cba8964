"""How good is the map: metrics, plots, report."""
