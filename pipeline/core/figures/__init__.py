"""SVG figures from plain numbers: axes, marks, and the plots of a run. Standard library only."""
