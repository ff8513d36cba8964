"""Events, ntuples, expressions, preprocessing, toys."""
