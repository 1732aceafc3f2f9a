"""The commands that talk to a running server: status, ps, reload, restart, stop, scale, dump, reopen-logs."""
