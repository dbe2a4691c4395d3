"""Backups of everything that the panel keeps, and what was restored when something was lost."""
