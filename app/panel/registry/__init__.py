"""Model versions: publishing, putting into service, going back, and the ledger that says when and why."""
