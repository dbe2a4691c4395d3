"""What a run is: states, retry policy, tables, the only writer, reads and verbs."""
