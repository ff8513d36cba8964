"""From yields to limits, and how far they can be trusted."""
