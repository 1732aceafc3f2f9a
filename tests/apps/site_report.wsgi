"""Answers with its environ as JSON, or does what the query says: `status=`, `location=`, `header=NAME:VALUE`."""

import json
import os
import urllib.parse


def report(environ, start_response, name):
    asked = urllib.parse.parse_qs(environ["QUERY_STRING"])
    text = {key: value for key, value in environ.items() if type(value) is str}
    text["BODY"] = environ["wsgi.input"].read().decode("latin-1")
    text |= {"callable": name, "pid": str(os.getpid())}
    headers = [("Content-Type", "application/json")]
    headers += [tuple(header.split(":", 1)) for header in asked.get("header", ())]
    headers += [("Location", location) for location in asked.get("location", ())]
    start_response(asked.get("status", ["200 OK"])[0], headers)
    body = json.dumps(text).encode("ascii")
    return iter([body[:10], body[10:]]) if "streamed" in asked else [body]


def application(environ, start_response):
    return report(environ, start_response, "application")


def other(environ, start_response):
    return report(environ, start_response, "other")


def handle_request(environ, start_response):
    return report(environ, start_response, "handle_request")
