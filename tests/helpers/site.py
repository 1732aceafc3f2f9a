"""A site for a test: its files, its configuration, and a server that serves it."""

import contextlib
import itertools
import os
import random
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.helpers.command import CommandServer, started

__all__ = ["Files", "SiteServer", "free_port", "public_directory", "serving_site", "site_files"]

Files = Mapping[str, "str | bytes | Path | None"]
"""A site's files by their names: text, bytes, a file to be copied, or None for a directory."""


# Below those that the kernel gives to clients (ip_local_port_range): until a server has the port, a client of any test
# could. Each process that runs tests has ports of its own, and begins anywhere among them.
_PORTS: Final = 3000
_first_port: Final = 20_000 + _PORTS * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 4)
_port_numbers: Final = itertools.count(random.randrange(_PORTS))


def free_port() -> int:
    """Return a port of the loopback interface that nobody listens on."""
    for number in itertools.islice(_port_numbers, _PORTS):
        port = _first_port + number % _PORTS
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise OSError(f"no port between {_first_port} and {_first_port + _PORTS} is free")


@contextlib.contextmanager
def public_directory() -> Iterator[Path]:
    """A directory that everybody may enter, for a front that has given up being root; pytest's are not."""
    directory = Path(os.path.realpath(tempfile.mkdtemp(prefix="pydaemonwsgi-site-")))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def site_files(directory: Path, files: Files) -> None:
    """Write files below `directory`: text, bytes, the copy of a file, or None for a directory."""
    for name, content in files.items():
        path = directory / name
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copy(content, path)
        elif content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    for path in (directory, *directory.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


class SiteServer:
    """A running site.

    Attributes:
        directory: where its files are; `{site}` in the configuration.
        configuration: the file.
        server: the running command.
    """

    def __init__(self, directory: Path, configuration: Path, server: CommandServer) -> None:
        self.directory = directory
        self.configuration = configuration
        self.server = server
        self.port = server.port
        self.get = server.get
        self.exchange = server.exchange
        self.connect = server.connect
        self.log = server.log


@contextlib.contextmanager
def serving_site(
    text: str,
    files: Files,
    *,
    python: str = sys.executable,
    env: dict[str, str] | None = None,
    control: bool = False,
    prepare: Callable[[Path], None] | None = None,
) -> Iterator[SiteServer]:
    """Serve a configuration for the length of a `with` block.

    Args:
        text: the configuration; `{site}` in it becomes the site's directory and `{port}` a free port, which is
            listened on unless the configuration says where.
        files: of the site, see `site_files`.
        python: the interpreter.
        env: what is added to the environment.
        control: whether it has a control socket.
        prepare: is given the site's directory before the server begins.
    """
    with public_directory() as directory:
        site_files(directory, files)
        if prepare is not None:
            prepare(directory)
        port = free_port()
        text = text.replace("{site}", str(directory)).replace("{port}", str(port))
        if "Listen " not in text and "VirtualHost *:" not in text:
            text = f"Listen 127.0.0.1:{port}\n{text}"
        configuration = directory / "site.conf"
        configuration.write_text(text, encoding="utf-8")
        command = (python, "-m", "pydaemonwsgi", "serve", "--config", str(configuration))
        with started(*command, *(() if control else ("--control-socket", "off")), env=env, cwd=directory) as server:
            yield SiteServer(directory, configuration, server)
