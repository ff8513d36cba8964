"""A pyhf model as a likelihood: its workspace, its expected yields, and its minima."""
