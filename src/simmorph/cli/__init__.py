"""The commands: read arguments, call the pipeline, print the answer.

One file a command, and `main`, which holds the group and the exit codes; `parts` holds what commands are made of. A
command imports its step when it is called, so that `simmorph --help` answers at once.
"""
