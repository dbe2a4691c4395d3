"""Raw files to typed columns: which files there are, how each is read, what each column is."""
