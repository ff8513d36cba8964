"""A selection as a user writes it in YAML."""
