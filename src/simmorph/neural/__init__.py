"""Torch plumbing that methods share."""
