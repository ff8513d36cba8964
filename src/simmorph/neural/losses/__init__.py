"""Distances between two weighted samples that a network can be trained on: plain functions of tensors."""
