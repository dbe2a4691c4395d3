"""The frame that every page of the panel shares, and the page that tells what went wrong."""
