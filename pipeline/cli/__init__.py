"""`python -m pipeline`: the stages in a terminal, without any panel."""
