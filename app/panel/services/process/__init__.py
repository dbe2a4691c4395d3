"""Services as child processes of the panel."""
