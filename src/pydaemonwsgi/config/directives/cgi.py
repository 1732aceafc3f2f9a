"""CGI scripts, which are not run. Sans-I/O.

Hosting templates have a `ScriptAlias /cgi-bin/` in every site, and few sites have anything there, so it is no reason
to refuse one. But what it names must be answered by nothing else: neither by the application of `WSGIScriptAlias /`,
which httpd would not ask either, nor by a directory below DocumentRoot, which would send a script's source.
"""

from pydaemonwsgi.config.directives.files import check_url_path
from pydaemonwsgi.config.directives.row import HOSTS, Line, Row
from pydaemonwsgi.config.model import Redirect
from pydaemonwsgi.config.values import BadValueError

__all__ = ["ROWS"]


def _script_alias(line: Line) -> None:
    url = check_url_path(line.words[0], "ScriptAlias")
    if not url.strip("/"):
        raise BadValueError("the whole site is CGI scripts, which are not run; run them elsewhere")
    line.warn(f"CGI scripts are not run, so {url} is answered with 404; run them elsewhere")
    # A redirect without a target comes before every alias and DocumentRoot.
    line.place.host.lists["redirects"].append(Redirect(404, url, None, position=line.position))


ROWS = (
    Row(
        "ScriptAlias",
        HOSTS,
        "URL-PATH FILE",
        "CGI scripts are not run: what is below the URL path is answered with 404, whatever else it may mean.",
        _script_alias,
    ),
)
