"""Dialects: bytes to requests, events to bytes. Pure translations that know no server, store or engine."""
