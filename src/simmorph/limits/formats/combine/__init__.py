"""Cards of CMS Combine: the card's lines, its histograms, and the model that they make."""
