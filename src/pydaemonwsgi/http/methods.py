"""The methods that HTTP and its extensions have. Sans-I/O."""

from typing import Final

__all__ = ["METHODS"]

METHODS: Final = frozenset(
    """
    BASELINE-CONTROL CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LOCK MERGE MKACTIVITY MKCOL MKWORKSPACE MOVE
    OPTIONS PATCH POST PROPFIND PROPPATCH PUT REPORT TRACE UNCHECKOUT UNLOCK UPDATE VERSION-CONTROL
    """.split()
)
"""What httpd knows by name. Any other is one that nobody here has heard of (501, RFC 9110 section 9.1)."""
