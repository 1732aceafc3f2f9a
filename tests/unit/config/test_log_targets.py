"""log_targets: what the name of a log means, and the name of what it means."""

import posixpath

import pytest

from pydaemonwsgi.config.log_targets import command_words, read_log_target, syslog_words, write_log_target
from pydaemonwsgi.config.model import LogTarget, LogTargetKind
from pydaemonwsgi.config.values import BadValueError

PIPE, SYSLOG, FILE, STREAM = LogTargetKind.PIPE, LogTargetKind.SYSLOG, LogTargetKind.FILE, LogTargetKind.STREAM


def read(word: str) -> LogTarget:
    return read_log_target(word, lambda path: posixpath.join("/srv", path))


@pytest.mark.parametrize(
    ("word", "target"),
    [
        ("logs/a.log", LogTarget(FILE, "/srv/logs/a.log")),
        ("/var/../log", LogTarget(FILE, "/log")),
        ("syslogs", LogTarget(FILE, "/srv/syslogs")),
        ("/dev/stdout", LogTarget(STREAM, "stdout")),
        ("/dev/stderr", LogTarget(STREAM, "stderr")),
        ("/proc/self/fd/2", LogTarget(STREAM, "stderr")),
        ("|/bin/cat", LogTarget(PIPE, "/bin/cat")),
        ("||/bin/cat -u", LogTarget(PIPE, "/bin/cat -u")),
        ("| rotatelogs %Y", LogTarget(PIPE, "rotatelogs %Y")),
        ("|$cat > x", LogTarget(PIPE, "cat > x", shell=True)),
        ("syslog", LogTarget(SYSLOG, "")),
        ("syslog:local1", LogTarget(SYSLOG, "local1")),
        ("syslog:local1:tag", LogTarget(SYSLOG, "local1:tag")),
        ("syslog::tag", LogTarget(SYSLOG, ":tag")),
    ],
)
def test_a_name_is_read(word: str, target: LogTarget) -> None:
    """As httpd reads it; what is written of it is read back."""
    assert read(word) == target
    assert read(write_log_target(target)) == target


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("", "the file name is empty"),
        ("|", "there is no command"),
        ("|$ ", "there is no command"),
        ("|'cat", "cannot be split into words: no closing quotation"),
        ("syslog:nothing", "there is no syslog facility 'nothing'"),
    ],
)
def test_what_means_nothing_is_refused(word: str, message: str) -> None:
    """The message is a sentence that says why."""
    with pytest.raises(BadValueError, match=message):
        read(word)


def test_a_command_is_split_as_httpd_splits_it() -> None:
    """Quotes hold words together; a shell gets the whole."""
    assert command_words(read(r"""|/bin/x "a b" 'c "d"' e\ f""")) == ["/bin/x", "a b", 'c "d"', "e f"]
    assert command_words(read("|$exec x | y")) == ["/bin/sh", "-c", "exec x | y"]


def test_facility_and_tag_have_defaults() -> None:
    """httpd's facility, our name; the facility's case does not count."""
    words = [syslog_words(read(word)) for word in ("syslog", "syslog:USER", "syslog::x", "syslog:local0:a:b")]
    assert words == [(23, "pydaemonwsgi"), (1, "pydaemonwsgi"), (23, "x"), (16, "a:b")]
