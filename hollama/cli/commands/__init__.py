"""One file per command: `add_arguments(parser)` and `run(arguments) -> exit status`. `cli/main.py` has the table."""
