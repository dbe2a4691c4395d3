"""The domain of runs: states, retry policy, tables, the only writer, reads and verbs."""
