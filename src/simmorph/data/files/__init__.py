"""Files of any kind: written whole or not at all, read as JSON, listed on stdin, or kept until they are needed."""
