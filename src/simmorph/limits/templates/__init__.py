"""From ntuples or histograms in ROOT files to the templates of a limit.

`reading` histograms the samples of a recipe and asks the modifiers for their uncertainties, `sideband` takes a
background from the data beside the signal, `amplification` says how well a generated background is known, and `sample`
holds what comes out, until `model.building` writes it as a workspace.
"""
