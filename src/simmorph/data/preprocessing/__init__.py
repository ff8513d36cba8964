"""Invertible steps between variables in physical units and what a network sees."""
