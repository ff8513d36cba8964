"""The commands: read arguments, call the pipeline, print the answer.

One file a command. `main` holds the group and the exit codes, `options` what several commands share, `effect` the rule
that no option is ignored. A command imports its step when it is called, so that `simmorph --help` answers at once.
"""
