"""The home page: is it healthy, what is running, what is live, what changed."""
