"""Who may use the panel: whoever has the printed link, the password or the token. Everything else is refused."""
