"""The interactive mode of `hollama run`."""
