"""How good a map is: what is measured, drawn and reported.

`metrics` are functions of two samples, `comparison` applies them to every pair that is of interest, `significance` and
`verdict` say what the numbers mean beside their nulls, `region_result` keeps what a report shows of one region,
`scores` the numbers of many methods; `plots` draws, and `report` writes it all into a folder. Nothing here reads files:
samples come as `Events`.
"""
