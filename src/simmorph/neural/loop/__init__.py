"""The training loop, and what it asks for and keeps."""
