"""What commands are made of: options that several share, the rule that none is ignored, streams to print to."""
