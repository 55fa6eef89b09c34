"""HTTP: routes, framing, CORS, the host check. Knows no model; what it serves is the runtime's and the store's."""
