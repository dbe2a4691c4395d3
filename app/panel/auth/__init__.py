"""Authentication: by the printed link, the password or the API token. Everything else is refused."""
