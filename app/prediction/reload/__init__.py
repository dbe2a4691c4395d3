"""Follows the pointer to the live model: verifies a new bundle, loads it, switches."""
