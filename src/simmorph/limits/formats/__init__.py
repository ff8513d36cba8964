"""Models of other programs: each file reads one format, known by its content, into the JSON of pyhf."""
