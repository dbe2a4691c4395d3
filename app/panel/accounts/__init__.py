"""Access: one's own password, sessions and tokens, and for admins all users and the audit; as pages and as JSON."""
