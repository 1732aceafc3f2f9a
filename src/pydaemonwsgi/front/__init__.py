"""The process that owns the clients: HTTP, queue, buffering, timeouts, access log. Unprivileged."""
