"""The pages, tables and files that a report is made of.

`write` fills the folder of `evaluate`: it draws (`drawn`), makes tables (`region_tables`) and the page (`page`).
`ranking` and `ranking_page` do the same for `compare`. A `Table` knows text, CSV and LaTeX; `rendering` fills
templates.
"""
