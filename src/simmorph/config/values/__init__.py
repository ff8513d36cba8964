"""What keys of a recipe may be set to: types that several of its blocks, and commands, share."""
