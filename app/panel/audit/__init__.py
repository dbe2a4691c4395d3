"""The audit: who did what, to what, and how it ended. Rows are added in the transaction that they describe."""
