"""The home page: health, the active run, the live model and the last runs."""
