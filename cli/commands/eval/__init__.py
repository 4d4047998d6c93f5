"""``hyperlora eval``: how good a hypernetwork or an adapter is, one command a file."""
