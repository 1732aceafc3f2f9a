"""The messages between the supervisor and its children. Sans-I/O.

One message is one datagram on a SOCK_SEQPACKET pair: a JSON object with `kind` and the fields that the table
names. A child that runs user code may send anything, so every message is checked before it is believed.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from pydaemonwsgi.errors import ChannelError

__all__ = ["LONGEST_APPLICATION_GROUP", "MAXIMUM_MESSAGE", "Message", "Word", "decode", "encode"]

MAXIMUM_MESSAGE: Final = 32 * 1024
# A traceback longer than this is cut in its middle before it travels; the whole one is in the error log.
MAXIMUM_TEXT: Final = 16 * 1024
# What names and what belongs to them may take, in bytes of JSON; those beyond it do not travel.
_LONGEST_TABLE: Final = 12 * 1024

LONGEST_APPLICATION_GROUP: Final = 1024
"""Characters; a longer name is nobody's application group."""

# Numbers beyond this are no pid, no count, no time.
_LARGEST: Final = 2**63 - 1


class Word(Enum):
    """What a message says."""

    # supervisor -> front
    ATTACH = "attach"  # a daemon process is ready: its channel and scoreboard travel as descriptors
    CONFIGURE = "configure"  # the configuration has been read again: orders and what is new travel as descriptors
    DETACH = "detach"  # give it no more requests; close its channel when the last one has ended
    DIED = "died"  # this daemon process has exited, even if somebody holds its end of the channel open
    RESUME = "resume"  # its rejections are over: the changed script could not be loaded
    REFUSE = "refuse"  # no process of this group will run a request for so many seconds: answer 503
    ADMIT = "admit"  # requests of this group may wait again
    REPORT = "report"  # write what you have into the memory that travels as descriptor
    PING = "ping"  # answer, so that it is known that your loop runs
    HAND_OVER = "handover"  # others have these listeners: leave the backlog to them; idle clients may ask once more
    PARTITION = "partition"  # this application group's requests go to the processes that have this key
    CROWDED = "crowded"  # there is no room for this application group: answer 500
    LEAVE = "leave"  # the processes that have this key leave: give them nothing any more
    # front -> supervisor
    WANT = "want"  # a request needs this application group; the key says which partition is unused for longest
    PONG = "pong"  # it runs, and this is what it has
    UNUSED = "unused"  # no request is for this process group any more, which is none of the configuration's
    LOST = "lost"  # this daemon process has died with these requests running
    REPORTED = "reported"  # the report is written
    DETACHED = "detached"  # the channel of this daemon process has ended
    # supervisor -> daemon process
    CHANNEL = "channel"  # here is the channel to (another) front, as descriptor
    DRAIN = "drain"  # a successor has your place: finish what you have; who is stuck is not waited for
    DUMP = "dump"  # write the stacks of all threads into the memory that travels as descriptor
    KEEP = "keep"  # these versions of scripts do not load: go on with the code you have
    SURVEYED = "surveyed"  # it is in the memory that travels as descriptors: mine, and the front's if it has answered
    OPEN = "open"  # open a sub-interpreter: its control connection, scoreboard and orders travel as descriptors
    LOAD = "load"  # load these scripts too before you serve: the first message to every daemon process
    # daemon process, or an interpreter of it -> supervisor
    LOADING = "loading"  # I begin to load these versions of scripts
    LOADED = "loaded"  # I am ready to serve; these did not load
    SCRIPT = "script"  # a request has had this script loaded: whoever takes my place should have it before it serves
    KEPT = "kept"  # I go on with the code I have, as you said
    DUMPED = "dumped"  # the stacks are written
    OPENED = "opened"  # I am the interpreter; a signal to this thread has the stacks of my threads written
    RETIRE = "retire"  # I should be replaced, for this reason
    SURVEY = "survey"  # tell me what all processes of the server do
    # supervisor -> front and daemon process
    LOGS = "logs"  # opened anew, as descriptors: put each in the place of the descriptor of this number
    # supervisor -> preload parent, beside KEEP
    FORK = "fork"  # fork a daemon process: its control connection and scoreboard travel as descriptors
    # preload parent -> supervisor, beside LOADED and RETIRE
    UNFORKED = "unforked"  # that was not possible
    # a daemon process that a preload parent has forked -> supervisor
    BORN = "born"  # I am the process; the kernel says which
    # both
    READY = "ready"  # front: accepting
    STOP = "stop"  # finish what you have and leave


# Names and what belongs to each.
_NUMBERS: Final = dict[str, int]
_TEXTS: Final = dict[str, str]
_LIST: Final = list[int]

_FIELDS: Final[dict[Word, dict[str, Any]]] = {
    Word.ATTACH: {"process": int, "pid": int, "threads": int, "group": str},
    Word.CONFIGURE: {},
    Word.UNUSED: {"group": str},
    Word.DETACH: {"process": int},
    Word.DIED: {"process": int},
    Word.RESUME: {"process": int},
    Word.REFUSE: {"group": str, "seconds": float},
    Word.ADMIT: {"group": str},
    Word.PARTITION: {"group": str, "application_group": str, "key": str},
    Word.CROWDED: {"group": str, "application_group": str},
    Word.LEAVE: {"key": str},
    Word.WANT: {"group": str, "application_group": str, "spare": str},
    Word.PING: {},
    Word.HAND_OVER: {"listeners": _LIST},
    Word.PONG: {"queued": int, "clients": int},
    Word.LOST: {"process": int, "requests": str},
    Word.REPORT: {"token": int, "requests": bool},
    Word.REPORTED: {"token": int},
    Word.DETACHED: {"process": int},
    Word.CHANNEL: {},
    Word.DRAIN: {},
    Word.DUMP: {"token": int},
    Word.KEEP: {"versions": _NUMBERS},
    Word.OPEN: {},
    Word.OPENED: {"thread": int},
    Word.LOAD: {"scripts": _TEXTS},
    Word.LOADING: {"versions": _NUMBERS},
    Word.LOADED: {"failed": _NUMBERS, "error": str},
    Word.SCRIPT: {"path": str, "callable_object": str},
    Word.KEPT: {},
    Word.DUMPED: {"token": int},
    Word.RETIRE: {"reason": str},
    Word.SURVEY: {"token": int},
    Word.SURVEYED: {"token": int},
    Word.LOGS: {"logs": _LIST},
    Word.FORK: {"process": int},
    Word.UNFORKED: {"process": int, "error": str},
    Word.BORN: {},
    Word.READY: {},
    Word.STOP: {"timeout": float},
}


@dataclass(frozen=True, slots=True)
class Message:
    """One checked message; `fields` has exactly the names of the table."""

    word: Word
    fields: Mapping[str, object]

    def number(self, name: str) -> int:
        """Return the integer field `name`."""
        value = self.fields[name]
        assert isinstance(value, int)
        return value

    def text(self, name: str) -> str:
        """Return the text field `name`."""
        value = self.fields[name]
        assert isinstance(value, str)
        return value

    def numbers(self, name: str) -> Mapping[str, int]:
        """Return the field `name`, a number for each of some names."""
        value = self.fields[name]
        assert isinstance(value, dict)
        return value

    def texts(self, name: str) -> Mapping[str, str]:
        """Return the field `name`, a text for each of some names."""
        value = self.fields[name]
        assert isinstance(value, dict)
        return value

    def list(self, name: str) -> Sequence[int]:
        """Return the field `name`, some numbers in their order."""
        value = self.fields[name]
        assert isinstance(value, list)
        return value

    def seconds(self, name: str) -> float:
        """Return the field `name`, a duration in seconds."""
        value = self.fields[name]
        assert isinstance(value, float)
        return value


def encode(word: Word, **fields: object) -> bytes:
    """Return a message as bytes; long texts are cut in the middle, tables at their end."""
    assert fields.keys() == _FIELDS[word].keys(), (word, fields)
    for name, value in fields.items():
        if isinstance(value, str) and len(value) > MAXIMUM_TEXT:
            half = MAXIMUM_TEXT // 2
            fields[name] = f"{value[:half]}\n[…]\n{value[-half:]}"
        elif isinstance(value, Mapping):
            fields[name] = _cut_table(value)
    data = json.dumps({"kind": word.value, **fields}).encode("ascii", "backslashreplace")
    if len(data) > MAXIMUM_MESSAGE:
        fields = {name: value[:1000] if isinstance(value, str) else value for name, value in fields.items()}
        data = json.dumps({"kind": word.value, **fields}).encode("ascii")
    return data


def _cut_table(table: Mapping[str, object]) -> dict[str, object]:
    """Return as much of a table, from its beginning, as may travel."""
    left = _LONGEST_TABLE
    kept = {}
    for name, value in table.items():
        left -= len(json.dumps({name: value}))
        if left < 0:
            break
        kept[name] = value
    return kept


def decode(data: bytes) -> Message:
    """Return the message in `data`.

    Raises:
        ChannelError: it is not one of the table's messages.
    """
    try:
        content = json.loads(data)
        word = Word(content.pop("kind"))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ChannelError(f"control message that is none: {data[:80]!r}") from error
    expected = _FIELDS[word]
    if content.keys() != expected.keys():
        raise ChannelError(f"control message {word.value} with the fields {sorted(content)}")
    for name, kind in expected.items():
        value = content[name]
        if type(value) is int and abs(value) > _LARGEST:
            raise ChannelError(f"control message {word.value} whose {name} is out of bounds")
        if kind is float and type(value) is int:
            content[name] = float(value)
        elif kind is float and type(value) is float and not 0 <= value <= _LARGEST:
            raise ChannelError(f"control message {word.value} whose {name} is no duration")
        elif kind in {_NUMBERS, _TEXTS}:
            _check_table(value, kind, f"control message {word.value} whose {name}")
        elif kind is _LIST:
            if type(value) is not list or not all(type(one) is int and 0 <= one <= _LARGEST for one in value):
                raise ChannelError(f"control message {word.value} whose {name} is no list of numbers")
        elif type(value) is not kind:
            raise ChannelError(f"control message {word.value} whose {name} is no {kind.__name__}")
    return Message(word, content)


def _check_table(value: object, kind: Any, what: str) -> None:
    of = kind.__args__[1]
    if type(value) is not dict or not all(type(one) is of for one in value.values()):
        raise ChannelError(f"{what} is no table")
    if of is int and any(abs(one) > _LARGEST for one in value.values()):
        raise ChannelError(f"{what} is out of bounds")
