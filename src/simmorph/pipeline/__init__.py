"""The data flow, one step a file."""
