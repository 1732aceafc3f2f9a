"""Running a command that talks to a server: asking, showing, waiting. Shell."""

import contextlib
import json
import os
import select
import sys
from collections.abc import Mapping
from typing import Any

from pydaemonwsgi.channel.commands import DONE, FAILED, WRONG
from pydaemonwsgi.console.client import Asked, ask, find_server
from pydaemonwsgi.console.command_line import Order
from pydaemonwsgi.console.pages import dump_page, ps_page, status_page
from pydaemonwsgi.errors import ConfigurationError, ControlError
from pydaemonwsgi.system.output import write_out

__all__ = ["run"]


def run(order: Order) -> int:
    """Do what the user wants; return the exit status.

    Raises:
        ConfigurationError: several servers are running and none was named.
        ControlError: there is no server, or it does not answer. Neither is raised to a program (`--json`): it gets
            the same object whatever happens.
    """
    try:
        return _run(order)
    except (ConfigurationError, ControlError) as error:
        if not order.json:
            raise
        status = WRONG if isinstance(error, ConfigurationError) else FAILED
        _print_json(status, str(error), {})
        return status


def _run(order: Order) -> int:
    path = find_server(order.control_socket)
    asked = ask(path, order.request)
    answer = asked.answer
    if answer.exit == DONE and order.wait and order.request.command == "stop":
        _wait_for_end(answer.result)
    result = _with_attachment(order, asked)
    if order.json:
        _print_json(answer.exit, answer.error, result)
    else:
        if answer.exit == DONE or order.request.command == "dump":
            write_out(_text(order, result, path))
        if answer.error:
            print(f"pydaemonwsgi {order.request.command}: {answer.error}", file=sys.stderr)
    if order.request.command == "status" and answer.exit == DONE and not result["healthy"]:
        return FAILED
    return answer.exit


def _with_attachment(order: Order, asked: Asked) -> dict[str, Any]:
    """Return the result with what came in memory: the front's report, or text."""
    result: dict[str, Any] = dict(asked.answer.result)
    texts = [attachment.decode("utf-8", "replace") for attachment in asked.attachments]
    if order.request.command == "dump":
        processes = result.get("processes", [])
        return {"processes": [process | {"stacks": text} for process, text in zip(processes, texts, strict=False)]}
    if not texts:
        return result
    text = texts[0]
    try:
        report: dict[str, Any] = json.loads(text)
    except ValueError:
        return result  # the front was killed while it wrote
    if order.request.command == "ps":
        return result | report
    return result | {"front": {**result["front"], "report": report}}


def _text(order: Order, result: Mapping[str, Any], path: str) -> str:
    command = order.request.command
    if command == "status":
        return status_page(result, path)
    if command == "ps":
        return ps_page(result) if "requests" in result else ""
    if command == "dump":
        return dump_page(result)
    if command == "scale":
        return f"{result['group']}: {result['size']} processes (before: {result['before']})\n"
    if command == "stop":
        return f"pid {result['pid']} {'has ended' if order.wait else 'is stopping'}\n"
    if command == "reopen-logs":
        return "the logs have been opened anew\n"
    if not result["groups"]:
        return "the configuration has been read again; no daemon process had to be replaced\n"
    done = "replaced" if order.wait else "are being replaced"
    return f"{', '.join(result['groups'])}: daemon processes {done}\n"


def _wait_for_end(result: Mapping[str, Any]) -> None:
    pid = result["pid"]
    if not isinstance(pid, int):
        return
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return  # it has ended already
    with contextlib.closing(os.fdopen(descriptor, "rb", buffering=0)) as process:
        select.select([process], [], [])


def _print_json(status: int, error: str, result: Mapping[str, Any]) -> None:
    write_out(json.dumps({"exit": status, "error": error, "result": result}, indent=2) + "\n")
