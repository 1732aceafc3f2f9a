"""The command line: what each argument list means, and the line that refuses it."""

import pytest

from pydaemonwsgi.config.command_line import parse_serve, serve_command_line
from pydaemonwsgi.config.option import Option
from pydaemonwsgi.config.options import OPTIONS, ServeOptions
from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.errors import ConfigurationError

MEANINGS = [
    ("app.wsgi", ServeOptions("app.wsgi")),
    ("app.wsgi --threads 25", ServeOptions("app.wsgi", threads=25)),
    ("--threads 25 app.wsgi", ServeOptions("app.wsgi", threads=25)),
    ("--threads=25 app.wsgi", ServeOptions("app.wsgi", threads=25)),
    ("--threads 1 --threads 2 a", ServeOptions("a", threads=2)),
    ("--debug app.wsgi --processes 1", ServeOptions("app.wsgi", debug=True, processes=1)),
    ("--access-log - app.wsgi", ServeOptions("app.wsgi", access_log="-")),
    ("--access-log=- app.wsgi", ServeOptions("app.wsgi", access_log="-")),
    ("--python-path /a:/b --python-path c m", ServeOptions("m", python_path=("/a", "/b", "c"))),
    (
        "--listen :80 m --listen unix:/s",
        ServeOptions("m", listen=(ListenAddress("", 80), ListenAddress("", 0, "/s"))),
    ),
    ("--supplementary-groups a,b m", ServeOptions("m", supplementary_groups=("a", "b"))),
    ("--supplementary-groups= m", ServeOptions("m", supplementary_groups=())),
    ("--umask 027 m", ServeOptions("m", umask=0o027)),
    ("--umask 0 m", ServeOptions("m", umask=0)),
    ("--mount-point /app/ m", ServeOptions("m", mount_point="/app")),
    ("--log-level warn m", ServeOptions("m", log_level="warning")),
    ("--limit-request-body 1GiB m", ServeOptions("m", limit_request_body=1 << 30)),
    (
        "--queue-timeout 1m --startup-timeout 250ms m",
        ServeOptions("m", queue_timeout=60, startup_timeout=0.25),
    ),
    ("-- -odd.wsgi", ServeOptions("-odd.wsgi")),
    ("--port 0 -- app.wsgi", ServeOptions("app.wsgi", port=0)),
    ("package.module:callable", ServeOptions("package.module:callable")),
    (
        "--config site.conf --define A --define B --pid-file p",
        ServeOptions("", config="site.conf", define=("A", "B"), pid_file="p"),
    ),
]

VALUED = [row for row in OPTIONS.values() if row.kind and not row.is_positional and row.default not in (None, ())]

REFUSALS = [
    ("", "SCRIPT is missing; give a file such as app.wsgi, or a module such as package.module"),
    ("--threads 5", "SCRIPT is missing"),
    ("--config site.conf a.wsgi", "both SCRIPT (a.wsgi) and --config; the configuration names the scripts"),
    ("--config site.conf --threads 5", "--threads has no place beside --config; write it into site.conf as threads of"),
    ("--config site.conf --port 80", "--port has no place beside --config; write it into site.conf by its directive"),
    ("--define PROXIED a.wsgi", "--define is for <IfDefine> in a configuration; give --config FILE as well"),
    ("--config site.conf --define x-y", "--define: 'x-y' is not a name; give letters, digits and _"),
    ("a.wsgi b.wsgi", "more than one SCRIPT: 'a.wsgi' and 'b.wsgi'; give one"),
    ("a.wsgi --debug b.wsgi", "more than one SCRIPT: 'a.wsgi' and 'b.wsgi'; give one"),
    ("a --threads abc", "--threads: 'abc' is not a whole number; give 0 to 65534"),
    ("a --threads=", "--threads: '' is not a whole number; give 0 to 65534"),
    ("a --threads -5", "--threads: '-5' is too small; give 0 to 65534"),
    ("a --threads", "--threads: needs a value; give 0 to 65534"),
    ("a --threads --debug", "--threads: needs a value"),
    ("a --debug=yes", "--debug: takes no value; write --debug alone"),
    ("a --treads 5", "unknown option --treads; did you mean --threads?"),
    ("--treads 5 a", "unknown option --treads; did you mean --threads?"),
    ("--treads=5", "unknown option --treads; did you mean --threads?"),
    ("a --thread 5", "unknown option --thread; did you mean --threads?"),
    ("a --no-debug", "unknown option --no-debug; did you mean --debug?"),
    ("a --xyzzy", "unknown option --xyzzy; pydaemonwsgi serve --help shows all options"),
    ("a -x", "unknown option -x"),
    ("a --umask 8", "--umask: '8' is not an octal mask; give octal digits from 000 to 777, such as 022"),
    ("a --listen localhost", "--listen: 'localhost' names no port; give HOST:PORT"),
    ("a --log-level loud", "--log-level: 'loud' is not a log level; give debug, info"),
    ("a --reload-on-changes --disable-reloading", "--reload-on-changes and --disable-reloading contradict"),
]


@pytest.mark.parametrize(("line", "options"), MEANINGS)
def test_parse_serve_understands(line: str, options: ServeOptions) -> None:
    """An argument list has the one meaning in the table."""
    assert parse_serve(line.split()) == options


@pytest.mark.parametrize(("line", "options"), MEANINGS)
def test_serve_command_line_is_read_back(line: str, options: ServeOptions) -> None:
    """The command line written for options means those options."""
    assert parse_serve(serve_command_line(options)) == options


@pytest.mark.parametrize(("line", "message"), REFUSALS)
def test_parse_serve_refuses(line: str, message: str) -> None:
    """A wrong argument list is refused with one line that says what to give."""
    with pytest.raises(ConfigurationError) as caught:
        parse_serve(line.split())
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_parse_serve_refuses_an_unknown_option_with_a_blank() -> None:
    """An unknown option that was quoted together with its value is not taken for a SCRIPT."""
    with pytest.raises(ConfigurationError, match=r"^unknown option --treads; did you mean --threads"):
        parse_serve(["--treads 5"])


def test_parse_serve_shows_a_control_character_escaped() -> None:
    """A value with a line break is refused in one line."""
    with pytest.raises(ConfigurationError, match=r"^--host: 'a\\nb' is not a host; [^\n]*$"):
        parse_serve(["--host", "a\nb", "app.wsgi"])


@pytest.mark.parametrize("row", VALUED, ids=[row.name for row in VALUED])
def test_default_may_be_given(row: Option) -> None:
    """Every option with a default value takes that value on the command line."""
    arguments = [f"{row.flag}={text}" for text in row.render(row.default)]
    assert parse_serve([*arguments, "app.wsgi"]) == ServeOptions("app.wsgi")


def test_serve_command_line_gives_only_what_is_not_default() -> None:
    """Defaults do not appear in a written command line."""
    assert serve_command_line(ServeOptions("a.wsgi", threads=15, port=0)) == ["--port=0", "a.wsgi"]


def test_help_shows_every_option_under_a_heading(capsys: pytest.CaptureFixture[str]) -> None:
    """--help prints every option, every heading and every default, and ends with status 0."""
    with pytest.raises(SystemExit) as caught:
        parse_serve(["--help"])
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for row in OPTIONS.values():
        assert f"{row.heading}:" in text
        assert f"{row.flag} " in text
        assert row.meaning in text
        assert row.is_positional or f"(default {row.default_text}" in text
