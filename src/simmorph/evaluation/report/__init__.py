"""The pages, tables and files that a report is made of."""
