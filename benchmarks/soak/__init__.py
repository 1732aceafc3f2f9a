"""The reliability suite: a steady load, faults, and an account of every request. `python -m benchmarks.soak --help`."""
