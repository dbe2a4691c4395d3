"""Schema changes, in the order of their numbers; each runs once, all in one transaction."""
