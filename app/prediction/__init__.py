"""The prediction API: loads the live bundle and answers. Never unpickles anything."""
