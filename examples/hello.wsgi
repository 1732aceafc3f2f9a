"""The smallest WSGI application; the benchmarks use it too."""


def application(environ, start_response):
    """Answer every request with a short text."""
    body = b"Hello, world!\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
