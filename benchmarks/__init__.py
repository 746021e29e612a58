"""Measurements on a stack of one's own: each module is a command, `python -m benchmarks.<name> --help`."""
