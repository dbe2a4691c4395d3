"""Which model is live: notices a new pointer, verifies the bundle, loads it, switches."""
