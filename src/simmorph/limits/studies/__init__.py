"""How far limits can be trusted, and what they depend on."""
