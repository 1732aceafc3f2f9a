"""mod_wsgi's directives in a configuration: what the application and the client notice of each."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.helpers.server import APPS, Answer, serving, wait_for
from tests.helpers.site import Files, SiteServer, serving_site

CONFIGURATION = """
WSGIDaemonProcess one threads=3
WSGIProcessGroup one
WSGIApplicationGroup %{GLOBAL}
WSGIRestrictStdin On
MergeSlashes Off
DocumentRoot {site}/htdocs

WSGIScriptAlias /app {site}/app.wsgi
WSGIScriptAlias //doubled//mount {site}/app.wsgi
WSGIScriptAlias /callable {site}/app.wsgi callable-object=other
WSGIScriptAlias /reload {site}/reload.py
WSGIScriptAlias /stdin {site}/stdin.py

<Location /app/named>
    WSGICallableObject other
</Location>
<Location /app/head-on>
    WSGIMapHEADToGET On
</Location>
<Location /app/head-off>
    WSGIMapHEADToGET Off
</Location>
<Location /app/unauthorized>
    WSGIPassAuthorization Off
</Location>
<Location /app/unchunked>
    WSGIChunkedRequest Off
</Location>
<Location /app/overridden>
    WSGIErrorOverride On
    ErrorDocument 503 "our own page"
    ErrorDocument 404 /app/shown
    ErrorDocument 410 /page.html
    Header always set X-Always yes
    Header set X-Good yes
</Location>
<Location /app/paged>
    ErrorDocument 500 "it has failed"
</Location>
Redirect /moved /app/shown
<Location /moved>
    Header always set X-Always yes
    Header set X-Good yes
</Location>
<Location /app/edited>
    SetEnv OF_THE_SITE value
    RequestHeader set X-Given by-the-site
    RequestHeader unset X-Taken
    Header append X-Answer edited
</Location>

<Location /app/proxy-trusted>
    WSGITrustedProxies 127.0.0.1 10.1.0.0/16
    WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port X-Script-Name
</Location>
<Location /app/proxy-untrusted>
    WSGITrustedProxies 10.1.0.0/16
    WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Forwarded-Port X-Script-Name
    WSGITrustedProxyHeaders X-Forwarded-Server
</Location>
<Location /app/proxy-partial>
    WSGITrustedProxies 127.0.0.1
    WSGITrustedProxyHeaders X-Forwarded-Proto
</Location>
<Location /app/proxy-everybody>
    WSGITrustedProxyHeaders X-Forwarded-For
</Location>

WSGIHandlerScript marked {site}/app.wsgi
<Directory {site}/htdocs>
    AddHandler marked .marked
</Directory>
"""

RELOAD = """
import json, os
generation = "{generation}"
required = "{required}"

def reload_required(resource):
    if required == "raise":
        raise RuntimeError("asked on purpose")
    return required == "yes" and not os.path.exists(resource + ".reloaded")

def application(environ, start_response):
    if environ["PATH_INFO"] == "/forget":
        del globals()["__mtime__"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{{generation}} {{os.getpid()}}".encode()]
"""

STDIN = """
import sys

def application(environ, start_response):
    try:
        sys.stdin.read()
        said = "read"
    except OSError as error:
        said = f"OSError {error}"
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [said.encode()]
"""


@pytest.fixture(scope="module")
def site() -> Iterator[SiteServer]:
    """A site that has something of every directive."""
    files: Files = {
        "app.wsgi": APPS / "site_report.wsgi",
        "reload.py": RELOAD.format(generation="first", required="no"),
        "stdin.py": STDIN,
        "htdocs/page.html": "<p>a page</p>\n",
        "htdocs/resource.marked": "a resource\n",
    }
    with serving_site(CONFIGURATION, files) as site:
        site.directory.chmod(0o777)
        yield site


def report(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer.raw
    result: dict[str, Any] = json.loads(answer.text)
    return result


# -- methods


@pytest.mark.parametrize(
    ("path", "method", "seen"),
    [
        ("/app/head-on", "HEAD", "GET"),
        ("/app/head-off", "HEAD", "HEAD"),
        ("/app/head-auto", "HEAD", "HEAD"),
        ("/app/head-on", "GET", "GET"),
        ("/app/head-on", "OPTIONS", "OPTIONS"),
        ("/app/", "PROPFIND", "PROPFIND"),
    ],
)
def test_an_application_sees_the_method(site: SiteServer, path: str, method: str, seen: str) -> None:
    """HEAD is GET where WSGIMapHEADToGET says so; Auto means no here, for nothing changes bodies."""
    query = "?header=X-Seen:" + seen
    answer = site.get(path + query, method=method)
    assert answer.status == 200
    if method == "HEAD":
        assert answer.rest == b""
        as_get = len(site.get(path + query).body)
        # The body that is not sent has been measured: it names the method that was seen.
        assert int(answer.header("Content-Length") or 0) - as_get == len(seen) - len("GET")
    else:
        assert json.loads(answer.text)["REQUEST_METHOD"] == seen


# -- paths


@pytest.mark.parametrize(
    ("target", "script_name", "path_info"),
    [
        ("/app", "/app", ""),
        ("/app//", "/app", "/"),
        ("//app/a", "/app", "/a"),
        ("/app//a///b", "/app", "/a/b"),
        ("/app/a/b//", "/app", "/a/b/"),
        ("/app/a%20b?x=%20", "/app", "/a b"),
        ("/doubled/mount/a", "/doubled/mount", "/a"),
        ("///doubled////mount//a", "/doubled/mount", "/a"),
    ],
)
def test_runs_of_slashes_are_one(site: SiteServer, target: str, script_name: str, path_info: str) -> None:
    """In SCRIPT_NAME and PATH_INFO, also with MergeSlashes Off; REQUEST_URI is what was sent."""
    told = report(site.get(target))
    assert (told["SCRIPT_NAME"], told["PATH_INFO"], told["REQUEST_URI"]) == (script_name, path_info, target)


@pytest.mark.parametrize(("path", "name"), [("/callable/", "other"), ("/app/named", "other"), ("/app/", "application")])
def test_the_callable_object_is_the_configured_one(site: SiteServer, path: str, name: str) -> None:
    assert report(site.get(path))["callable"] == name


def test_a_handler_script_answers_for_a_resource(site: SiteServer) -> None:
    told = report(site.get("/resource.marked"))
    assert told["callable"] == "handle_request"
    assert told["SCRIPT_FILENAME"] == f"{site.directory}/htdocs/resource.marked"
    assert told["mod_wsgi.handler_script"] == f"{site.directory}/app.wsgi"


# -- headers


def test_authorization_is_passed_unless_the_site_says_no(site: SiteServer) -> None:
    for path, passed in (("/app/", True), ("/app/unauthorized", False)):
        told = report(site.get(path, "Authorization: Basic YTpi"))
        assert ("HTTP_AUTHORIZATION" in told) is passed


def test_headers_and_variables_are_those_of_the_site(site: SiteServer) -> None:
    answer = site.get("/app/edited?header=X-Answer:own", "X-Given: by-the-client", "X-Taken: yes")
    told = report(answer)
    assert told["OF_THE_SITE"] == "value"
    assert told["HTTP_X_GIVEN"] == "by-the-site"
    assert "HTTP_X_TAKEN" not in told
    assert answer.header("X-Answer") == "own, edited"


FORWARDED = {
    "X-Forwarded-For": "192.0.2.1, 10.1.2.3",
    "X-Client-IP": "192.0.2.66",
    "X-Real-IP": "192.0.2.67",
    "X-Forwarded-Host": "public.example",
    "X-Host": "other.example",
    "X-Forwarded-Server": "server.example",
    "X-Forwarded-Port": "8443",
    "X-Script-Name": "/mounted",
    "X-Forwarded-Script-Name": "/elsewhere",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Scheme": "http",
    "X-Scheme": "http",
    "X-Forwarded-HTTPS": "Off",
    "X-Forwarded-SSL": "Off",
    "X-HTTPS": "0",
}
AS_SENT = {"HTTP_" + name.upper().replace("-", "_"): value for name, value in FORWARDED.items()}


def forwarded(site: SiteServer, path: str) -> dict[str, Any]:
    return report(site.get(path, *[f"{name}: {value}" for name, value in FORWARDED.items()]))


def test_forwarded_headers_are_headers_where_nothing_is_declared(site: SiteServer) -> None:
    told = forwarded(site, "/app/")
    assert told.items() >= AS_SENT.items()
    assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"], told["HTTP_HOST"]) == ("127.0.0.1", "http", "test")


def test_a_trusted_proxy_is_believed(site: SiteServer) -> None:
    """Each declared header once; its synonyms disappear, what is not declared stays."""
    told = forwarded(site, "/app/proxy-trusted")
    assert told["REMOTE_ADDR"] == "192.0.2.1"
    assert told["HTTP_HOST"] == "public.example"
    assert told["SERVER_PORT"] == "8443"
    assert told["SCRIPT_NAME"] == told["mod_wsgi.mount_point"] == "/mounted"
    assert told["wsgi.url_scheme"] == "https"
    assert {name for name in AS_SENT if name in told} == {
        "HTTP_X_FORWARDED_FOR",
        "HTTP_X_FORWARDED_HOST",
        "HTTP_X_FORWARDED_PORT",
        "HTTP_X_FORWARDED_PROTO",
        "HTTP_X_SCRIPT_NAME",
        "HTTP_X_FORWARDED_SERVER",
    }


def test_nobody_else_is_believed(site: SiteServer) -> None:
    """Every synonym of what is declared disappears (CVE-2022-2255)."""
    told = forwarded(site, "/app/proxy-untrusted")
    assert [name for name in AS_SENT if name in told] == []
    assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"], told["HTTP_HOST"]) == ("127.0.0.1", "http", "test")
    assert told["SCRIPT_NAME"] == "/app"


def test_a_partial_declaration_leaves_the_others_alone(site: SiteServer) -> None:
    told = forwarded(site, "/app/proxy-partial")
    schemes = {name for name in AS_SENT if "SCHEME" in name or "HTTPS" in name or "SSL" in name}
    assert told["wsgi.url_scheme"] == "https"
    assert {name for name in AS_SENT if name not in told} == schemes
    assert (told["REMOTE_ADDR"], told["HTTP_HOST"], told["SCRIPT_NAME"]) == ("127.0.0.1", "test", "/app")


def test_everybody_is_believed_where_no_proxy_is_named(site: SiteServer) -> None:
    told = forwarded(site, "/app/proxy-everybody")
    assert told["REMOTE_ADDR"] == "192.0.2.1"
    assert "HTTP_X_REAL_IP" not in told


# -- bodies and errors


def test_chunked_bodies_are_refused_where_the_site_says_so(site: SiteServer) -> None:
    head = b"POST /app/%b HTTP/1.1\r\nHost: t\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked = head + b"3\r\nabc\r\n0\r\n\r\n"
    assert site.exchange(chunked % b"unchunked").startswith(b"HTTP/1.1 411 ")
    assert report(Answer(site.exchange(chunked % b"")))["BODY"] == "abc"


@pytest.mark.parametrize("streamed", ["", "&streamed=1"])
def test_an_error_of_the_application_gives_way_to_the_sites(site: SiteServer, streamed: str) -> None:
    """WSGIErrorOverride: a text, another application or a file is shown; only `Header always` counts for a text."""
    answer = site.get(f"/app/overridden?status=503 Busy{streamed}".replace(" ", "%20"))
    assert (answer.status, answer.text) == (503, "our own page")
    assert (answer.header("X-Always"), answer.header("X-Good")) == ("yes", None)
    answer = site.get(f"/app/overridden?status=404%20Gone{streamed}", method="POST", body=b"posted")
    told = json.loads(answer.text)
    assert answer.status == 200  # the application that shows it says what the status is, as under httpd
    assert told["PATH_INFO"] == "/shown"
    assert told["REQUEST_METHOD"] == "GET"
    assert (told["BODY"], told["QUERY_STRING"]) == ("", "")
    assert (told["REDIRECT_STATUS"], told["REDIRECT_URL"]) == ("404", "/app/overridden")
    assert told["REDIRECT_QUERY_STRING"].startswith("status=404")
    assert told["REDIRECT_REQUEST_METHOD"] == "POST"
    answer = site.get(f"/app/overridden?status=410%20Gone{streamed}")
    assert (answer.status, answer.text) == (410, "<p>a page</p>\n")
    assert report(site.get("/app/overridden"))["PATH_INFO"] == "/overridden"


def test_a_failure_of_the_application_is_shown_as_the_site_wants_it(site: SiteServer) -> None:
    """As under mod_wsgi with ErrorDocument alone: what the application itself answers is left as it is."""
    answer = site.get("/app/paged?status=nonsense")
    assert (answer.status, answer.text) == (500, "it has failed")
    assert site.get("/app/paged?status=500%20Own&header=X-Own:1").header("X-Own") == "1"
    assert "The application failed to answer this request." in site.get("/app/?status=nonsense").text


def test_whoever_must_log_in_is_told_how_although_the_page_is_the_sites(site: SiteServer) -> None:
    """And cookies are set; all else of the application's answer is dropped with its body."""
    query = "status=401%20No&header=WWW-Authenticate:Basic&header=Set-Cookie:a=1&header=X-Lost:1"
    answer = site.get(f"/app/overridden?{query}")
    assert (answer.status, answer.header("WWW-Authenticate"), answer.header("Set-Cookie")) == (401, "Basic", "a=1")
    assert answer.header("X-Lost") is None
    answer = site.get(f"/app/overridden?{query.replace('401%20No', '410%20Gone')}")
    assert (answer.status, answer.text, answer.header("Set-Cookie")) == (410, "<p>a page</p>\n", "a=1")


# -- internal redirects


@pytest.mark.parametrize("streamed", ["", "&streamed=1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_location_with_status_200_is_another_resource(site: SiteServer, method: str, streamed: str) -> None:
    """It is got in the application's place; the client does not see it."""
    body = b"posted" if method == "POST" else b""
    answer = site.get(f"/app/a?location=/app/b/c%3Fd=1{streamed}&header=X-Lost:1", method=method, body=body)
    told = report(answer)
    assert (told["PATH_INFO"], told["QUERY_STRING"], told["REQUEST_METHOD"]) == ("/b/c", "d=1", "GET")
    assert (told["REDIRECT_STATUS"], told["REDIRECT_URL"]) == ("200", "/app/a")
    assert told["REQUEST_URI"].startswith("/app/a?")
    assert told["BODY"] == ""
    assert "CONTENT_LENGTH" not in told
    assert (answer.header("Location"), answer.header("X-Lost")) == (None, None)


def test_a_file_can_be_sent_in_the_applications_place(site: SiteServer) -> None:
    """With its own type, and with the cookies of the application, as under httpd."""
    answer = site.get("/app/a?location=/page.html&header=Set-Cookie:a=1&header=Set-Cookie:b=2")
    assert (answer.status, answer.text, answer.header("Content-Type")) == (200, "<p>a page</p>\n", "text/html")
    assert [value for name, value in answer.headers if name == "Set-Cookie"] == ["a=1", "b=2"]
    head = site.get("/app/a?location=/page.html", method="HEAD")
    assert (head.status, head.rest, head.header("Content-Length")) == (200, b"", "14")


def test_a_location_that_leads_nowhere_is_404(site: SiteServer) -> None:
    assert site.get("/app/a?location=/none.html").status == 404
    assert site.get("/app/a?location=/../../etc/passwd").status in {400, 404}


def test_locations_that_go_round_are_500(site: SiteServer) -> None:
    query = "location=/app/a"
    for _ in range(12):
        query = "location=/app/a%3F" + query.replace("%", "%25").replace("&", "%26")
    assert site.get(f"/app/a?{query}").status == 500


@pytest.mark.parametrize("location", ["http://other.example/", "relative"])
def test_another_location_is_the_clients(site: SiteServer, location: str) -> None:
    answer = site.get(f"/app/a?location={location}")
    assert (answer.status, answer.header("Location")) == (200, location)


def test_a_redirect_of_the_server_has_the_headers_that_are_always_set(site: SiteServer) -> None:
    """As in httpd, which makes it as it makes an error."""
    answer = site.get("/moved")
    assert answer.status == 302
    assert (answer.header("X-Always"), answer.header("X-Good")) == ("yes", None)


def test_a_redirect_is_the_clients(site: SiteServer) -> None:
    answer = site.get("/app/a?location=/app/b&status=302%20Found")
    assert (answer.status, answer.header("Location")) == (302, "/app/b")


def test_without_a_configuration_a_location_is_passed_on() -> None:
    """There is nothing to redirect to."""
    with serving(APPS / "site_report.wsgi") as server:
        assert server.get("/?location=/b").header("Location") == "/b"


# -- loading


def test_a_script_says_whether_it_is_to_be_loaded_anew(site: SiteServer) -> None:
    """Touched, `reload_required` true, or without `__mtime__`: the next answer is a newer process's."""
    script = site.directory / "reload.py"

    def generation() -> list[str]:
        answer = site.get("/reload/")
        assert answer.status == 200, answer.raw
        return answer.text.split()

    def write(name: str, required: str) -> None:
        script.write_text(RELOAD.format(generation=name, required=required))
        os.utime(script, (len(name), len(name)))

    first = generation()
    assert first[0] == "first"
    assert generation() == first
    write("second", "raise")
    second = generation()
    assert second[0] == "second"
    # One that raises asks for nothing.
    assert generation() == second
    write("third, and", "yes")
    third = generation()
    assert generation()[-1] != third[-1]
    (site.directory / "reload.py.reloaded").touch()
    fourth = generation()
    assert generation() == fourth
    site.get("/reload/forget")
    assert generation()[-1] != fourth[-1]


def test_standard_input_is_not_for_applications(site: SiteServer) -> None:
    """WSGIRestrictStdin."""
    assert site.get("/stdin").text.startswith("OSError ")


@pytest.mark.parametrize(("setting", "runs"), [("On", True), ("Off", False)])
def test_the_interpreter_is_taken_down_unless_the_site_says_no(setting: str, runs: bool) -> None:
    """WSGIDestroyInterpreter: whether functions of atexit run when a process ends."""
    files: Files = {"bye.wsgi": "import atexit\natexit.register(print, 'good', 'bye')\ndef application(*_): pass\n"}
    text = f"""
        WSGIDestroyInterpreter {setting}
        WSGIDaemonProcess one
        WSGIScriptAlias / {{site}}/bye.wsgi process-group=one application-group=%{{GLOBAL}}
    """
    with serving_site(text, files) as site:
        wait_for(lambda: "bye.wsgi loaded" in site.log(), "the script to be loaded")
        site.server.stop()
        assert ("good bye" in site.log()) is runs
