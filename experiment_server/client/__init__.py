"""Programs that take part: they talk to a server, and import nothing of it."""
