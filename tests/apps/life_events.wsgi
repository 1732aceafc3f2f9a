"""Writes each event that it hears of as a line of JSON to the file that EVENTS names; /fail raises, /data asks."""

import json
import os

import mod_wsgi


def note(event, **payload):
    with open(os.environ["EVENTS"], "a", encoding="utf-8") as file:
        file.write(json.dumps({"event": event, **payload}, default=repr) + "\n")


if os.environ.get("SUBSCRIBE") == "events":

    @mod_wsgi.subscribe_events
    def on_event(event, **payload):
        note(event, **payload)
        payload.get("request_data", {})["heard"] = event
        if event == "request_started":
            inner = payload["application_object"]

            def wrapped(environ, start_response):
                environ["wrapped"] = "yes"
                return inner(environ, start_response)

            return {"application_object": wrapped}
        return None

    @mod_wsgi.subscribe_events
    def on_event_badly(event, **payload):
        raise SystemExit(f"no {event} please")


@mod_wsgi.subscribe_signals
def on_signal(event, **payload):
    note(f"{event} for subscribe_signals", **payload)


@mod_wsgi.subscribe_shutdown
def on_shutdown(event, **payload):
    note(f"{event} for subscribe_shutdown", **payload)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/fail":
        raise ValueError("on purpose")
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [
        json.dumps(
            {
                "pid": os.getpid(),
                "wrapped": environ.get("wrapped"),
                "body": len(body),
                "mine": mod_wsgi.active_requests[environ["mod_wsgi.request_id"]] is mod_wsgi.request_data(),
                "heard": mod_wsgi.request_data().get("heard"),
                "running": len(mod_wsgi.active_requests),
            }
        ).encode()
    ]
