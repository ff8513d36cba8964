"""From source, template and target to a report.

`inputs` reads the samples row by row and leaves out what training has seen, `cuts` makes regions and acceptance, `run`
measures and writes. What a number means is in `simmorph.evaluation`.
"""
