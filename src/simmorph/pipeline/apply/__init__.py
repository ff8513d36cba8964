"""Write what a model makes of events back to ROOT: one file of it, and all that one run writes."""
