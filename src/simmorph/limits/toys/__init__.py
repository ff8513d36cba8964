"""Pseudo-experiments in place of asymptotic formulae: drawn, fitted, weighted, and added up to CLs."""
