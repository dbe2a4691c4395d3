"""The machine learning: a table in, an immutable model bundle out. Imports nothing of `app`."""
