"""Echoes a request, with the standard library's validator between it and the server."""

from wsgiref.validate import validator


def echo(environ, start_response):
    body = b""
    while piece := environ["wsgi.input"].read(1000):
        body += piece
    print("validated", environ["REQUEST_METHOD"], file=environ["wsgi.errors"])
    text = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}?{environ['QUERY_STRING']} ".encode() + body
    if environ["PATH_INFO"] == "/empty":
        start_response("204 No Content", [])
        return []
    headers = [("Content-Type", "text/plain")]
    if environ["PATH_INFO"] == "/length":
        headers.append(("Content-Length", str(len(text))))
    write = start_response("200 OK", headers)
    if environ["PATH_INFO"] == "/write":
        write(text)
        return []
    if environ["PATH_INFO"] == "/pieces":
        return (text[at : at + 1] for at in range(len(text)))
    return [text]


application = validator(echo)
