"""What the three web processes share."""
