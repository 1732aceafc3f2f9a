"""mod_wsgi's daemon mode without Apache: supervisor, front and daemon processes for WSGI applications."""

__version__ = "0.1.0"
