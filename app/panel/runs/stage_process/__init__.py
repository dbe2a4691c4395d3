"""The process of one attempt: how it starts, what it reports, how it ends."""
