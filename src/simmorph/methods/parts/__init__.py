"""What methods are made of and put together from: what a generator, a reweighting or a transport is, and ensembles."""
