"""What `status` and `ps` show people. Sans-I/O."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydaemonwsgi.console.text import clean, duration, size, table

__all__ = ["dump_page", "ps_page", "status_page"]


def status_page(result: Mapping[str, Any], path: str) -> str:
    """Return the page of `status`.

    Args:
        result: the server's answer, with the front's report as `front.report`.
        path: of the control socket.
    """
    front = result["front"]
    report = front.get("report")
    lines = [
        f"pydaemonwsgi {result['version']}, pid {result['pid']}, {result['state']} for {duration(result['age'])}",
        f"  listening on  {', '.join(result['addresses'])}",
        f"  control       {path}",
        f"  front         {_front_words(front, report)}",
        "",
        table(
            ("GROUP", "STATE", "RUNNING", "BUSY", "QUEUED", "REQUESTS", "NOTE"),
            [_group_row(group, report) for group in result["groups"]],
            right="RUNNING BUSY QUEUED REQUESTS",
        ),
        "",
        table(
            ("GROUP", "PID", "STATE", "SINCE", "AGE", "REQUESTS", "BUSY", "RSS", "CPU", "WHY"),
            [_process_row(group, process) for group in result["groups"] for process in group["processes"]],
            right="PID SINCE AGE REQUESTS BUSY RSS CPU",
        ),
    ]
    interpreters = [_interpreter_row(group, one) for group in result["groups"] for one in _interpreters(group)]
    if interpreters:
        head = ("GROUP", "PID", "APPLICATION GROUP", "STATE", "REQUESTS", "BUSY")
        lines += ["", table(head, interpreters, right="PID REQUESTS BUSY")]
    for group in result["groups"]:
        lines += _trouble_lines(group)
    return "\n".join(lines) + "\n"


def _front_words(front: Mapping[str, Any], report: Mapping[str, Any] | None) -> str:
    words = [f"pid {front['pid']}, " if front["pid"] else "", front["state"]]
    if report is not None:
        words.append(f", {report['clients']} clients: {report['answering']} answered, {report['receiving']} sending")
    elif front["state"] == "RUNNING":
        words.append(", does not answer")
    words.append(f", {size(front['rss'])}" if front["rss"] is not None else "")
    return "".join(words)


def _group_row(group: Mapping[str, Any], report: Mapping[str, Any] | None) -> tuple[str, ...]:
    queue = _queue(group, (report or {}).get("groups", {}))
    return (
        group["name"],
        group["state"],
        f"{group['running']} of {group['size']}",
        f"{group['busy']} of {sum(one['threads'] for one in group['processes'] if one['state'] == 'RUNNING')}",
        str(queue["queued"]) if queue else "-",
        f"{group['requests']:,}",
        _note(group, refused=bool(queue and queue["refused"])),
    )


def _queue(group: Mapping[str, Any], queues: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what waits for a group's processes, in whichever interpreter; None where the front says nothing."""
    names = {f"{group['name']}|{one['application_group']}" for one in _interpreters(group)}
    found = [queue for name, queue in queues.items() if name == group["name"] or name in names]
    if not found:
        return None
    return {"queued": sum(one["queued"] for one in found), "refused": any(one["refused"] for one in found)}


def _note(group: Mapping[str, Any], *, refused: bool) -> str:
    notes = []
    if group.get("application_group") and group["name"] == group["process_group"]:
        notes.append(f"application group {clean(group['application_group'])}")
    if group["fatal"]:
        notes.append("given up: mend the cause, then pydaemonwsgi reload")
    elif group["next_try"] is not None:
        failures = f" after {group['failures']} failures" if group["failures"] else ""
        notes.append(f"next try in {duration(group['next_try'])}{failures}")
    if refused:
        notes.append("requests get 503")
    replacement = group["replacement"]
    if replacement is not None and replacement["progress"] != "done":
        notes.append("reload underway" if replacement["progress"] == "underway" else "the last reload failed")
    return "; ".join(notes)


def _process_row(group: Mapping[str, Any], process: Mapping[str, Any]) -> tuple[str, ...]:
    cpu = process["cpu_seconds"]
    return (
        group["name"],
        str(process["pid"] or "-"),
        process["state"],
        duration(process["since"]),
        duration(process["age"]),
        f"{process['requests']:,}",
        f"{process['busy']} of {process['threads']}",
        size(process["rss"]),
        f"{100 * cpu / max(process['age'], 0.01):.0f} %" if cpu is not None else "-",
        process["why"],
    )


def _interpreters(group: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    # A server of an earlier version says nothing of them.
    found: Sequence[Mapping[str, Any]] = group.get("interpreters", ())
    return found


def _interpreter_row(group: Mapping[str, Any], one: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        group["name"],
        str(one["pid"]),
        clean(one["application_group"]),
        "LOADED" if one["loaded"] else "LOADING",
        f"{one['requests']:,}",
        f"{one['busy']} of {one['threads']}",
    )


def _trouble_lines(group: Mapping[str, Any]) -> list[str]:
    failure = group["last_failure"]
    if failure is None:
        return []
    text = [clean(line) for line in failure["text"].splitlines() if line.strip()] or [""]
    first = f"last failure of {group['name']}, {duration(failure['ago'])} ago: {text[0]}"
    # Of a traceback the end says what is wrong; the whole is in the error log.
    return ["", first, *(f"  {line}" for line in text[1:][-3:])]


def ps_page(report: Mapping[str, Any]) -> str:
    """Return the page of `ps`: one line for each request, the oldest first."""
    rows = [
        (
            row["id"],
            row["group"],
            duration(row["age"]),
            row["phase"],
            str(row["pid"] or "-"),
            str(row["thread"] or "-"),
            clean(row["client"] or "gone"),
            f"{clean(row['method'])} {clean(row['url'])}",
        )
        for row in report["requests"]
    ]
    lines = [table(("ID", "GROUP", "AGE", "PHASE", "PID", "THREAD", "CLIENT", "REQUEST"), rows, right="AGE PID THREAD")]
    if report["left_out"]:
        lines.append(f"and {report['left_out']} younger ones")
    return "\n".join(lines) + "\n"


def dump_page(result: Mapping[str, Any]) -> str:
    """Return the page of `dump`: each process's threads and where they are."""
    pages = []
    for process in result["processes"]:
        whose = process.get("application_group")
        where = f", application group {clean(whose)}" if whose is not None else ""
        lines = [f"daemon process {process['pid']} of process group {process['group']}{where}", ""]
        pages.append("\n".join([*lines, *(clean(line) for line in process["stacks"].splitlines())]) + "\n")
    return "\n".join(pages)
