"""Flask's hello, and a little more: a form, a session, a streamed answer."""

from collections.abc import Iterator

from flask import Flask, Response, request, session

application = Flask(__name__)
application.secret_key = "for tests only"


@application.get("/")
def hello() -> str:
    return "<p>Hello, World!</p>"


@application.post("/form")
def form() -> dict[str, object]:
    upload = request.files["file"]
    return {"name": request.form["name"], "file": upload.filename, "size": len(upload.read())}


@application.get("/count")
def count() -> str:
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


@application.get("/stream")
def stream() -> Response:
    def lines() -> Iterator[str]:
        for number in range(1000):
            yield f"line {number}\n"

    return Response(lines(), mimetype="text/plain")


@application.get("/error")
def error() -> str:
    raise RuntimeError("on purpose")
