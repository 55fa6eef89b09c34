"""Placeholder until its room is written."""
