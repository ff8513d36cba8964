"""What a user writes in YAML, as typed models."""
