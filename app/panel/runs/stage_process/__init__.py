"""The process of one attempt: how it starts, what it says, how it ends."""
