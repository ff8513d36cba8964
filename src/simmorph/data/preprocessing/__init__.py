"""Invertible steps between variables in physical units and what a network sees.

A chain of steps for each variable, fitted once and inverted exactly: `steps` has them, `proposal` chooses them where a
recipe does not, `gaps` finds what a variable repeats or leaves out, `chain` holds those of all variables.
"""
