"""The servers: how each is installed and started, with 2 processes of 25 threads or what is nearest."""

import grp
import importlib.metadata
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import peers
from benchmarks.peers import Environment

PROCESSES = 2
THREADS = 25
MAX_CLIENTS = 300
SOMAXCONN = Path("/proc/sys/net/core/somaxconn")
USERS = ("www-data", "daemon", "nobody")


class MissingError(Exception):
    """A server cannot be measured here; the text is one line."""


@dataclass(frozen=True)
class Site:
    """What a server is started with: the directory of `app.wsgi` = `bench_app.py`, and a port."""

    directory: Path
    port: int

    @property
    def script(self) -> str:
        """The WSGI script."""
        return str(self.directory / "app.wsgi")


Commands = Callable[[Environment, Site], list[list[str]]]


@dataclass(frozen=True)
class Server:
    """One server. `commands` gives the processes to start, in this order; the last answers on the port."""

    name: str
    commands: Commands
    settings: str
    package: str | None = None
    programs: tuple[str, ...] = ()
    environment: Callable[[], Environment] = peers.common_environment
    default: bool = True

    def prepare(self) -> str:
        """Install what is missing and return the version, or raise `MissingError` with the reason."""
        for program in self.programs:
            if shutil.which(program) is None:
                raise MissingError(f"{program} is not installed")
        if self.package is None:
            try:
                return importlib.metadata.version(self.name)
            except importlib.metadata.PackageNotFoundError:
                return "not installed, run from the source tree"
        try:
            version = peers.install(self.environment(), self.package)
        except peers.NotInstallableError as error:
            raise MissingError(f"not installable: {error}") from error
        return " + ".join([version, *map(program_version, self.programs)])


def program_version(program: str) -> str:
    """Return what a program says about its version."""
    result = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)
    return peers.last_line(result.stdout + result.stderr).removeprefix("nginx version: ")


def pydaemonwsgi(_: Environment, site: Site) -> list[list[str]]:
    command = [sys.executable, "-m", "pydaemonwsgi", "serve", site.script, "--port", str(site.port)]
    return [[*command, "--processes", str(PROCESSES), "--threads", str(THREADS), "--limit-request-body", "0"]]


def gunicorn(environment: Environment, site: Site) -> list[list[str]]:
    command = [
        environment.python,
        "-m",
        "gunicorn",
        "--worker-class",
        "gthread",
        "--bind",
        f"127.0.0.1:{site.port}",
    ]
    command += ["--workers", str(PROCESSES), "--threads", str(THREADS), "--log-level", "warning"]
    return [[*command, "bench_app:application"]]


def waitress(environment: Environment, site: Site) -> list[list[str]]:
    command = [environment.python, "-m", "waitress", "--listen", f"127.0.0.1:{site.port}"]
    command += ["--threads", str(PROCESSES * THREADS), "--connection-limit", "2000"]
    return [[*command, "bench_app:application"]]


def cheroot(environment: Environment, site: Site) -> list[list[str]]:
    command = [
        environment.python,
        "-m",
        "cheroot",
        "bench_app:application",
        "--bind",
        f"127.0.0.1:{site.port}",
    ]
    return [[*command, "--threads", str(PROCESSES * THREADS)]]


def granian(environment: Environment, site: Site) -> list[list[str]]:
    command = [environment.python, "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1"]
    command += ["--port", str(site.port), "--workers", str(PROCESSES), "--blocking-threads", str(THREADS)]
    return [[*command, "--log-level", "warning", "--no-ws", "bench_app:application"]]


def uwsgi_common(environment: Environment, site: Site) -> list[str]:
    """The part of uWSGI's command line that both shapes share."""
    backlog = min(1024, int(SOMAXCONN.read_text()))
    command = [environment.program("uwsgi"), "--master", "--need-app", "--die-on-term", "--disable-logging"]
    command += ["--processes", str(PROCESSES), "--threads", str(THREADS), "--listen", str(backlog)]
    return [*command, "--so-keepalive", "--tcp-nodelay", "--wsgi-file", site.script]


def uwsgi(environment: Environment, site: Site) -> list[list[str]]:
    common = uwsgi_common(environment, site)
    return [[*common, "--http", f"127.0.0.1:{site.port}", "--http-keepalive", "--http-buffer-size=65536"]]


NGINX_CONF = """\
daemon off;
{user}
worker_processes {processes};
pid {directory}/nginx.pid;
error_log {directory}/nginx-error.log warn;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_max_body_size 0;
    keepalive_requests 1000000;
    client_body_temp_path {directory}/nginx-body;
    proxy_temp_path {directory}/nginx-proxy;
    fastcgi_temp_path {directory}/nginx-fastcgi;
    uwsgi_temp_path {directory}/nginx-uwsgi;
    scgi_temp_path {directory}/nginx-scgi;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            include {parameters};
            uwsgi_pass unix:{directory}/uwsgi.sock;
        }}
    }}
}}
"""

UWSGI_PARAMETERS = """\
uwsgi_param QUERY_STRING $query_string;
uwsgi_param REQUEST_METHOD $request_method;
uwsgi_param CONTENT_TYPE $content_type;
uwsgi_param CONTENT_LENGTH $content_length;
uwsgi_param REQUEST_URI $request_uri;
uwsgi_param PATH_INFO $document_uri;
uwsgi_param DOCUMENT_ROOT $document_root;
uwsgi_param SERVER_PROTOCOL $server_protocol;
uwsgi_param REQUEST_SCHEME $scheme;
uwsgi_param REMOTE_ADDR $remote_addr;
uwsgi_param REMOTE_PORT $remote_port;
uwsgi_param SERVER_PORT $server_port;
uwsgi_param SERVER_NAME $server_name;
"""


def nginx_uwsgi(environment: Environment, site: Site) -> list[list[str]]:
    user = f"user {unprivileged_user()} {unprivileged_group()};" if os.getuid() == 0 else ""
    parameters = site.directory / "uwsgi_params"
    parameters.write_text(UWSGI_PARAMETERS)
    configuration = site.directory / "nginx.conf"
    configuration.write_text(
        NGINX_CONF.format(
            user=user, processes=PROCESSES, directory=site.directory, port=site.port, parameters=parameters
        )
    )
    back = [*uwsgi_common(environment, site), "--uwsgi-socket", str(site.directory / "uwsgi.sock")]
    front = ["nginx", "-c", str(configuration), "-p", str(site.directory), "-e", "stderr"]
    return [[*back, "--chmod-socket=666"], front]


def mod_wsgi(environment: Environment, site: Site) -> list[list[str]]:
    root = site.directory / f"mod_wsgi-{site.port}"
    command = [
        environment.program("mod_wsgi-express"),
        "start-server",
        site.script,
        "--server-root",
        str(root),
    ]
    command += ["--host", "127.0.0.1", "--port", str(site.port), "--limit-request-body", str(1 << 30)]
    command += ["--max-clients", str(MAX_CLIENTS)]
    command += ["--processes", str(PROCESSES), "--threads", str(THREADS), "--locale", "C.UTF-8"]
    if os.getuid() == 0:
        command += ["--user", unprivileged_user(), "--group", unprivileged_group()]
    return [command]


def unprivileged_user() -> str:
    """Return a user to drop to."""
    return next(name for name in USERS if name in {user.pw_name for user in pwd.getpwall()})


def unprivileged_group() -> str:
    """Return the name of that user's group."""
    return grp.getgrgid(pwd.getpwnam(unprivileged_user()).pw_gid).gr_name


OWN = "pydaemonwsgi"

SERVERS: dict[str, Server] = {
    server.name: server
    for server in (
        Server(OWN, pydaemonwsgi, "2 x 25; no limit on bodies"),
        Server("gunicorn", gunicorn, "gthread, 2 x 25", "gunicorn"),
        Server(
            "mod_wsgi",
            mod_wsgi,
            "mod_wsgi-express, daemon mode 2 x 25, --max-clients 300; limit on bodies 1 GiB; no access log",
            "mod_wsgi",
            environment=peers.unprivileged_environment,
        ),
        Server(
            "uwsgi",
            uwsgi,
            "--http --http-keepalive --http-buffer-size 65536 --tcp-nodelay, 2 x 25; bodies unbuffered",
            "uwsgi",
        ),
        Server(
            "nginx-uwsgi",
            nginx_uwsgi,
            "nginx (2 workers, uwsgi_pass on a Unix socket, keep-alive, no access log; "
            "buffers requests and responses, its default) and uWSGI 2 x 25",
            "uwsgi",
            programs=("nginx",),
        ),
        Server("waitress", waitress, "1 process of 50 threads; buffers requests and responses", "waitress"),
        Server("granian", granian, "WSGI, 2 workers x 25 blocking threads", "granian"),
        Server("cheroot", cheroot, "1 process of 50 threads", "cheroot", default=False),
    )
}
