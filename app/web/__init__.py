"""Code that the three web processes share: serving, guards, templates, events, number formats."""
