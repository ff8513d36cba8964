"""How good a map is: what is measured, drawn and reported."""
