"""One host, compiled: everything that its requests are decided by. Sans-I/O."""

from collections.abc import Mapping

from pydaemonwsgi.config.model import DEFAULT_SETTINGS, Host, Settings, merge_settings
from pydaemonwsgi.routing.access import needs_remote_host
from pydaemonwsgi.routing.aliases import AliasTable, RedirectTable
from pydaemonwsgi.routing.environment import EnvironmentTest
from pydaemonwsgi.routing.hosts import is_named
from pydaemonwsgi.routing.maps import TextFile, compile_maps
from pydaemonwsgi.routing.mistakes import MistakeError
from pydaemonwsgi.routing.rewrite import compile_rewrite
from pydaemonwsgi.routing.sections import SectionTable

__all__ = ["Site"]


class Site:
    """One host, compiled.

    Args:
        number: its index among the server's hosts.
        process_environment: for PassEnv and `%{ENV:NAME}`.
        main_name: ServerName of the main server, which hosts for every address have that are given none.
        texts: files of rewrite maps by their paths, which hosts share.
        case_sensitive: whether `%{RESOURCE}` tells upper from lower case.

    Attributes:
        server_name: None if nobody has said it.
        port: that URLs of this host have where the client names none; None is the scheme's.
        is_direct: a path alone tells whether anything comes before its script alias.

    Raises:
        ConfigurationError: a pattern is wrong; the message begins with the place.
    """

    def __init__(
        self,
        number: int,
        host: Host,
        process_environment: Mapping[str, str],
        *,
        main_name: str | None = None,
        case_sensitive: bool = True,
        texts: dict[str, TextFile] | None = None,
    ) -> None:
        self.number = number
        self.case_sensitive = case_sensitive
        self.host: Host = host
        self.process_environment = process_environment
        self.document_root: str = (host.document_root or "").rstrip("/") or (host.document_root or "")
        inherits = host.server_name is None and any(address.is_everywhere for address in host.addresses)
        self.server_name = main_name if inherits else host.server_name
        # ServerName without a port means the scheme's, also where the host is for another one.
        ports = [address.port for address in host.addresses if host.server_name is None and address.port is not None]
        self.port = host.server_port or (ports[0] if ports else None)
        settings = merge_settings(DEFAULT_SETTINGS, host.settings)
        self.settings: Settings = settings
        self.tests = tuple(EnvironmentTest(test) for test in settings.environment_conditions)
        maps = compile_maps(host.rewrite_maps, {} if texts is None else texts)
        self.sections = SectionTable(host.sections, settings, process_environment, maps)
        self.base = self.sections.base
        self.rewrite = compile_rewrite(host.rewrite, maps)
        self.redirects = RedirectTable(host.redirects)
        self.aliases = AliasTable(host.aliases)
        self.script_aliases = AliasTable(host.script_aliases)
        self.follows_links = self.sections.follows_links()
        self.is_direct = not (
            self.redirects
            or self.tests
            or self.sections.named
            or (self.rewrite is not None and self.rewrite.beginnings is None)
        )
        self.needs_remote_host = any(
            part.hostname_lookups in {"on", "double"} or needs_remote_host(part.require, part.access_list)
            for part in (settings, *(section.settings for section in host.sections))
        )

    def is_reached_as(self, name: str, port: int) -> bool:
        """Whether a URL with this name (in lower case) and port is one of this host.

        As in httpd, only `ServerName` with a port says which port that is: without it a URL that a rule writes out
        in full is one to redirect to.
        """
        return port == self.host.server_port and is_named(self.host, name)

    def check(self) -> list[MistakeError]:
        """Return what is wrong in sections that no request has needed yet."""
        return self.sections.check()
