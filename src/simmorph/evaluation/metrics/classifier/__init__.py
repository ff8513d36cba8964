"""What a classifier sees: the two-sample test, and the ratio of densities that it has learnt."""
