"""Ntuples in ROOT files: which files are meant, what is in them, reading, writing; the only user of uproot."""
