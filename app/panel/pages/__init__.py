"""The frame that every page of the panel shares, and the page for problems."""
