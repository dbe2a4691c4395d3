"""The tables in `data/raw`: what is there, how it looked in the last run, adding and removing."""
