"""Normalizing flows: what they are made of, forwards and backwards."""
