"""Histograms to pyhf workspaces to CLs limits."""
