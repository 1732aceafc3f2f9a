"""`mod_wsgi.LogHandler`: an application's logging as records of the error log, with their own levels. Shell."""

import logging

from pydaemonwsgi.daemon.output import current_request

__all__ = ["LogHandler"]

_server = logging.getLogger("pydaemonwsgi")


class LogHandler(logging.Handler):
    """Writes to the error log; what the server's log level leaves out is not even formatted."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record: each of its lines with time, level, pid, process group and request."""
        # Not `isEnabledFor`: from Python 3.13.4 on no logger is while another one's record is being handled.
        if record.levelno < _server.getEffectiveLevel():
            return
        request = current_request()
        line = logging.makeLogRecord(
            {
                "name": _server.name,
                "levelno": record.levelno,
                "created": record.created,
                "pathname": record.pathname,
                "lineno": record.lineno,
                "request_id": None if request is None else request.request_id,
            }
        )
        try:
            line.msg = self.format(record)
        except Exception:
            # As logging itself does: what cannot be formatted is told on sys.stderr, which is the same log.
            self.handleError(record)
            return
        for handler in _server.handlers:
            handler.handle(line)
