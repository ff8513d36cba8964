"""The data flow, one step a file.

A step reads settings and files, has the science done by the floors below, and writes its output whole or not at all. It
returns a result with `to_json` for programs and `to_text` for people; the command line prints one of them. Heavy
imports stand inside functions, so that a step that is not taken costs no time. `api` offers the steps to notebooks.
"""
