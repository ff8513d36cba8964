"""Minima of many data sets of one model at once: the same numbers as one by one, with a fiftieth of the time a fit."""
