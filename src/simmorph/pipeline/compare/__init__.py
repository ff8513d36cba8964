"""Many methods on the same events: what is read, what is trained and measured, and what is written.

A task is one method in one repeat (`tasks`). `inputs` reads the samples once, `workers` do tasks here or in processes
of their own, `shards` keep what is done under the hash of what it depends on, and `write` makes table, plot and page.
"""
