"""What may be wrong with a sample, counted and said: events twice, values that stand for none, events in no bin."""
