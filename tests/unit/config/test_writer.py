"""A command line and the configuration that is written of it are the same model."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.config.apache.files import FilesInMemory
from pydaemonwsgi.config.load import load
from pydaemonwsgi.config.model import Host, HostAddress, Server
from pydaemonwsgi.config.options import OPTIONS, ServeOptions
from pydaemonwsgi.config.script import ScriptSpec
from pydaemonwsgi.config.serving import model_of
from pydaemonwsgi.config.validation import validate
from pydaemonwsgi.config.values import BadValueError
from pydaemonwsgi.config.writer import write_configuration
from pydaemonwsgi.errors import ConfigurationError

SPEC = ScriptSpec("/srv/my site/app.wsgi", None, "application")
TEXTS = [
    *("0", "1", "2", "7", "600", "70000", "250ms", "1h", "10k", "022", "0.005", "-5", "1048576"),
    *("jack", "#1000", "a,b", "", "/srv/x y", "rel/dir", "/a:/b c", "run.log", "-", 'a"b', "a\\b", "it's"),
    *("[::1]:80", "127.0.0.1:8080", ":80", "unix:run/x.sock", "::1", "0.0.0.0", "%h %r", '%h "%r" %>s', "combined"),
    *("warning", "critical", "debug", "en_US.UTF-8", "my_app", "/mounted/here", "/", "%{GROUP}", "exact", "log"),
    "interpreters",
    "CaptureUserAgent",
]


def read_back(text: str) -> Server:
    return load("/etc/pydaemonwsgi.conf", FilesInMemory({"/etc/pydaemonwsgi.conf": text})).required()


def accepted(name: str) -> list[Any]:
    row = OPTIONS[name]
    if row.kind is None:
        return [True]
    found: list[Any] = []
    for text in TEXTS:
        try:
            found.append(row.kind.parse(text))
        except BadValueError:
            continue
    return found


# A command line that names a configuration says nothing else that could be written into one.
OPTIONAL = [row.name for row in OPTIONS.values() if not row.is_positional and row.name not in {"config", "define"}]


@pytest.mark.parametrize("name", OPTIONAL)
def test_every_option_is_read_back_from_what_is_written(name: str) -> None:
    values = accepted(name)
    assert values, f"no text here is a value of {name}"
    for value in values:
        model = model_of(replace(ServeOptions("app.wsgi"), **{name: value}), SPEC, cwd="/home/jack")
        assert read_back(write_configuration(model)) == model


@given(st.dictionaries(st.sampled_from(OPTIONAL), st.integers(0, 50), max_size=12))
def test_any_options_together_are_read_back(chosen: dict[str, int]) -> None:
    given = {name: accepted(name)[place % len(accepted(name))] for name, place in chosen.items()}
    options = replace(ServeOptions("app.wsgi"), **given)
    try:
        validate(options)
    except ConfigurationError:
        return
    model = model_of(options, SPEC, cwd="/home/jack")
    assert read_back(write_configuration(model)) == model


def test_a_module_is_read_back() -> None:
    spec = ScriptSpec(None, "my_site.wsgi", "create.app")
    model = model_of(ServeOptions("my_site.wsgi:create.app"), spec, cwd="/")
    assert read_back(write_configuration(model)) == model


def test_what_is_written_reads_like_httpds() -> None:
    options = ServeOptions(
        "app.wsgi", user="jack", processes=2, threads=25, port=80, host="0.0.0.0", maximum_requests=100
    )
    assert write_configuration(model_of(options, SPEC, cwd="/srv")) == (
        "ServerRoot /srv\n"
        "Listen 0.0.0.0:80\n"
        "User jack\n"
        "\n"
        "LogLevel info\n"
        "\n"
        "LimitRequestBody 10485760\n"
        "\n"
        "WSGIDaemonProcess app \\\n"
        "    processes=2 \\\n"
        "    threads=25 \\\n"
        "    maximum-requests=100 \\\n"
        "    home=/srv\n"
        'WSGIScriptAlias / "/srv/my site/app.wsgi" \\\n'
        "    process-group=app \\\n"
        "    application-group=%{GLOBAL} \\\n"
        "    callable-object=application\n"
    )


@pytest.mark.parametrize("name", ["a\nb.wsgi", "a${HOME}.wsgi"])
def test_a_value_that_no_file_can_hold_is_refused(name: str) -> None:
    model = model_of(ServeOptions("x"), ScriptSpec(f"/srv/{name}", None, "application"), cwd="/")
    with pytest.raises(ConfigurationError, match="a value of the command line"):
        write_configuration(model)


def test_more_than_a_command_line_can_ask_for_is_refused() -> None:
    model = model_of(ServeOptions("x"), SPEC, cwd="/")
    with pytest.raises(ConfigurationError, match="only what a command line can ask for"):
        write_configuration(replace(model, virtual_hosts=(Host(addresses=(HostAddress("*", 80),)),)))
