"""The `hollama` command. A client of the server like any other: it knows HTTP, a terminal, and no model."""
