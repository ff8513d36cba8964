"""What changes the yields of a sample: the modifiers of HistFactory.

One file a kind: how it stands in the JSON of pyhf, what becomes of it when a template is cut or scaled, and what it
does to the yields with its derivatives. `registry` names them; `base` says what each has to define.
"""
