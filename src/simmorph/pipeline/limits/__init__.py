"""From yields to limits, and how far they can be trusted.

`run` finds limits of workspaces and recipes, `patches` those of many signal hypotheses, `coverage` and `scan` make the
studies. The statistics are in `simmorph.limits`; here files are read and written.
"""
