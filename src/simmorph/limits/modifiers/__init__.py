"""What changes the yields of a sample: the modifiers of HistFactory."""
