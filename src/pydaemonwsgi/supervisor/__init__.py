"""The process that may be root: binds, forks, reaps, replaces. Runs no user code, parses no client byte."""
