"""Minima of a likelihood: per-bin parameters in closed form, Newton's method for the others, several minima."""
