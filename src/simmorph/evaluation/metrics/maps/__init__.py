"""What a map does to events, row by row: how far they move, in which order, and across which cuts."""
