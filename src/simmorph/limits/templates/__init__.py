"""From ntuples or histograms in ROOT files to the templates of a limit."""
