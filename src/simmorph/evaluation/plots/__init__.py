"""Functions that draw, one family of plots a file.

Each takes events or numbers and returns a matplotlib `Figure`; none saves, shows, or changes global settings. The
numbers behind a plot are made beside it (`..._rows`), so that a reader of the CSV sees what the plot shows.
"""
