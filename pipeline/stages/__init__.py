"""The first three stages of a run; the fourth, deploy, belongs to the panel."""
