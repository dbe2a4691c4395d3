"""The prediction API: loads the live bundle and predicts with it. Never unpickles anything."""
