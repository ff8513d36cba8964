"""Expressions of columns, as users write them: what they may hold, what they mean, and their values."""
