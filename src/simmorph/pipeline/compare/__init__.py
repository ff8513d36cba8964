"""Many methods on the same events: what is read, what is trained and measured, and what is written."""
