"""The commands: read arguments, call the pipeline, print the answer."""
