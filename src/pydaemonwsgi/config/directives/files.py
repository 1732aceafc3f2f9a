"""Directives that map URLs to files, and say how files are served. Sans-I/O."""

import re
from dataclasses import replace

from pydaemonwsgi.config.directives.kinds import choice, flag, text
from pydaemonwsgi.config.directives.rewriting import check_pattern
from pydaemonwsgi.config.directives.row import ANYWHERE, HOSTS, SECTIONS, Context, Line, Row, setting
from pydaemonwsgi.config.model import Alias, ExtensionRule, Options, Redirect
from pydaemonwsgi.config.problems import nearest
from pydaemonwsgi.config.values import BadValueError, ValueKind

__all__ = ["ROWS", "check_url_path"]

_OPTIONS = ("Indexes", "FollowSymLinks", "SymLinksIfOwnerMatch", "MultiViews", "ExecCGI", "Includes", "IncludesNOEXEC")
_OPTION_NAMES = {name.lower(): name for name in (*_OPTIONS, "All", "None")}
# "All options except for MultiViews".
_ALL = frozenset({"indexes", "followsymlinks", "execcgi", "includes"})
_STATUSES = {"permanent": 301, "temp": 302, "seeother": 303, "gone": 410}
_REFERENCE = re.compile(r"\$[0-9]")
_TYPE = re.compile(r"[\w.+*-]+/[\w.+*-]+(\s*;.*)?", re.ASCII)


def check_url_path(word: str, name: str) -> str:
    """An URL path as it is written in an alias.

    Raises:
        BadValueError: with a whole sentence.
    """
    if not word.startswith("/"):
        raise BadValueError(f"{word!r} is no URL path; it must begin with / (for a pattern, use {name}Match)")
    if "?" in word or "#" in word:
        raise BadValueError(f"{word!r} holds a ? or #; an alias is compared with the path only")
    return word


def _alias(line: Line) -> None:
    *urls, file = line.words
    if line.place.sections is None:
        if not urls:
            raise BadValueError("takes two arguments: Alias URL-PATH FILE")
        (url,) = urls
    else:
        if urls:
            raise BadValueError("takes one argument in a <Location>, which is the URL path: Alias FILE")
        if line.place.location is None:
            raise BadValueError("the <Location> around it is a pattern; write an AliasMatch outside of it")
        url = line.place.location
    check_url_path(url, "Alias")
    target = line.path(file)
    if url.endswith("/") != target.endswith("/") and url != "/":
        line.warn(
            f"{url} and {target} do not agree on a slash at their end, so {_glued(url, target)}; "
            "write both with a slash, or neither"
        )
    line.place.host.lists["aliases"].append(Alias(url, target, position=line.position))


def _glued(url: str, target: str) -> str:
    if url.endswith("/"):
        return f"{url}x is looked for in {target}x"
    return f"{url}/x is looked for in {target}/x, with two slashes"


def _alias_match(line: Line) -> None:
    check_pattern(line.words[0])
    line.place.host.lists["aliases"].append(Alias(line.words[0], line.path(line.words[1]), True, line.position))


def _options(line: Line) -> None:
    whole: set[str] | None = None
    added: set[str] = set()
    removed: set[str] = set()
    signs = {word[:1] in ("+", "-") for word in line.words}
    if len(signs) == 2:
        raise BadValueError("either all options have a + or - in front, or none has")
    for word in line.words:
        sign, name = (word[0], word[1:].lower()) if word.startswith(("+", "-")) else ("", word.lower())
        if name not in _OPTION_NAMES or (sign and name == "none"):
            raise BadValueError(f"there is no option {word!r}{nearest(name, _OPTION_NAMES.values())}")
        names = _ALL if name == "all" else set() if name == "none" else {name}
        if name in ("includes", "includesnoexec"):
            line.info(f"{_OPTION_NAMES[name]} is without effect: there are no server-side includes")
        if sign == "-":
            added -= names
            removed |= names
        elif sign == "+":
            removed -= names
            added |= names
        else:
            whole = (whole or set()) | names
    options = Options(None if whole is None else frozenset(whole), frozenset(added), frozenset(removed), line.position)
    line.place.settings.put("options", options, line.position)


def _allow_override(line: Line) -> None:
    if [word.lower() for word in line.words] != ["none"]:
        line.warn(".htaccess files are not read; move what they say into a <Directory>, and write AllowOverride None")


def _directory_index(line: Line) -> None:
    if any("\0" in word or not word for word in line.words):
        raise BadValueError("a file name is empty")
    names = () if line.words == ["disabled"] else tuple(line.words)
    earlier = line.place.settings.single.get("directory_index", ())
    line.place.settings.put("directory_index", (*earlier, *names) if names else (), line.position)


def _index_redirect(line: Line) -> None:
    word = line.words[0].lower()
    if word == "off":
        return
    if word not in ("on", "permanent", "temp", "seeother") and not re.fullmatch("3[0-9]{2}", word):
        raise BadValueError(f"{line.words[0]!r} is not supported; give On, Off, permanent, temp, seeother or 3xx")
    line.warn(
        "it has no effect: a directory's index is sent at the directory's own URL, and nobody is redirected to it"
    )


_ATTRIBUTES = {
    "Handler": "handler",
    "Type": "type",
    "Encoding": "encoding",
    "Charset": "charset",
    "Language": "language",
}


def _add(line: Line) -> None:
    attribute = _ATTRIBUTES[line.row.name.removeprefix("Add")]
    value, *extensions = line.words
    if attribute == "type" and not _TYPE.fullmatch(value):
        raise BadValueError(f"{value!r} is no media type such as text/html")
    _extend(line, attribute, value if attribute == "type" else value.lower(), extensions)


def _remove(line: Line) -> None:
    _extend(line, _ATTRIBUTES[line.row.name.removeprefix("Remove")], None, line.words)


def _extend(line: Line, attribute: str, value: str | None, extensions: list[str]) -> None:
    for extension in extensions:
        name = extension.removeprefix(".").lower()
        if not name or "/" in name:
            raise BadValueError(f"{extension!r} is no extension of a file name such as .html")
        line.place.settings.lists["extensions"].append(ExtensionRule(name, attribute, value, line.position))


def _default_charset() -> ValueKind[str]:
    named = text("CHARSET", "a character set, On for iso-8859-1, or Off", off="off")
    return replace(named, parse=lambda word: "iso-8859-1" if word.lower() == "on" else named.parse(word))


def _file_etag(line: Line) -> None:
    names = {word.lower().lstrip("+-") for word in line.words}
    known = {"inode", "mtime", "size", "all", "none", "digest"}
    if wrong := sorted(names - known):
        raise BadValueError(f"{wrong[0]!r} is not supported; give MTime, Size, INode, All or None")
    if "digest" in names:
        line.info("Digest is without effect: a tag is made of time and size")
    parts = {"mtime", "size", "inode"} if "all" in names else names & {"mtime", "size", "inode"}
    line.place.settings.put("file_etag", frozenset(parts), line.position)


def _multiviews_match(line: Line) -> None:
    names = {word.lower() for word in line.words}
    if wrong := sorted(names - {"any", "negotiatedonly", "filters", "handlers"}):
        raise BadValueError(f"{wrong[0]!r} is not supported; give NegotiatedOnly, Handlers, Filters or Any")
    line.place.settings.put("multiviews_match", frozenset(names - {"negotiatedonly"}), line.position)


def _language_priority(line: Line) -> None:
    line.place.settings.put("language_priority", tuple(word.lower() for word in line.words), line.position)


def _force_language_priority(line: Line) -> None:
    names = {word.lower() for word in line.words}
    if wrong := sorted(names - {"none", "prefer", "fallback"}):
        raise BadValueError(f"{wrong[0]!r} is not supported; give Prefer, Fallback or both, or None")
    if "none" in names and len(names) > 1:
        raise BadValueError("None stands alone")
    line.place.settings.put("force_language_priority", frozenset(names - {"none"}), line.position)


def _redirect(line: Line) -> None:
    """`Redirect` and its like; in a section the path may be missing, and then everything there goes to one URL."""
    words = list(line.words)
    is_regex = line.row.name == "RedirectMatch"
    fixed = {"RedirectPermanent": 301, "RedirectTemp": 302}.get(line.row.name)
    status = fixed or 302
    if fixed is None and not words[0].startswith("/"):
        named = _STATUSES.get(words[0].lower(), int(words[0]) if re.fullmatch("[1-9][0-9]{2}", words[0]) else None)
        if named is not None:
            status = named
            words.pop(0)
    if not 300 <= status < 600:
        raise BadValueError(f"{status} is no status for a redirect; give 300 to 599")
    is_redirect = status < 400 and status != 304
    if line.row.name == "Redirect" and line.place.sections is not None and len(words) == is_redirect:
        _redirect_all(line, status, words[0] if is_redirect else None)
        return
    if not words:
        raise BadValueError("which URL path?")
    pattern, target = words[0], words[1] if len(words) > 1 else None
    if len(words) > 2:
        raise BadValueError(f"{line.words[0]!r} is no status; give a number, permanent, temp, seeother or gone")
    if is_redirect != (target is not None):
        raise BadValueError(
            f"a redirect with status {status} needs a URL to go to" if is_redirect else f"status {status} takes no URL"
        )
    if is_regex:
        check_pattern(pattern)
    elif not pattern.startswith("/"):
        raise BadValueError(f"{pattern!r} is no URL path; it must begin with /")
    _check_target(target)
    redirect = Redirect(status, pattern, target, is_regex, line.position)
    (line.place.host if line.place.sections is None else line.place.settings).lists["redirects"].append(redirect)


def _check_target(target: str | None) -> None:
    if target is not None and not re.match(r"/|[A-Za-z][\w+.-]*:|\$", target):
        raise BadValueError(f"{target!r} is neither a URL nor an URL path that begins with /")


def _redirect_all(line: Line, status: int, target: str | None) -> None:
    """Send whoever comes for anything in a section to one URL, as it is written."""
    if target is not None:
        if "%{" in target:
            raise BadValueError("expressions (%{…}) are not supported; write a RedirectMatch outside of the section")
        if _REFERENCE.search(target):
            line.warn("$1 and its like are empty here, as under httpd; write a RedirectMatch outside of the section")
            target = _REFERENCE.sub("", target)
        _check_target(target)
    # httpd asks for these before it asks for those with a path, and the last of them counts. Those of a <Location>
    # count before access is looked at, as the host's do.
    location = line.place.location
    place = line.place.settings if location is None else line.place.host
    pattern = "^" if location is None else f"^{re.escape(location)}{'' if location.endswith('/') else '(?:/|$)'}"
    place.lists["redirects"].insert(0, Redirect(status, pattern, target, is_regex=True, position=line.position))


ROWS = (
    Row(
        "Alias",
        HOSTS | {Context.LOCATION},
        "[URL-PATH] FILE",
        "Serves an URL path from a file or directory; the first that fits counts. In a `<Location>` the path is its.",
        _alias,
    ),
    Row(
        "AliasMatch",
        HOSTS,
        "PATTERN FILE",
        "Alias with a regular expression; `$1` in the file name is what its first group found.",
        _alias_match,
    ),
    Row("<Directory>", HOSTS, "[~] PATH", "Settings for a directory and all below it; the longest path counts last."),
    Row("<DirectoryMatch>", HOSTS, "PATTERN", "Settings for the directories that a regular expression finds."),
    Row(
        "<Files>",
        HOSTS | frozenset({Context.DIRECTORY, Context.LOCATION}),
        "[~] NAME",
        "Settings for files of this name, without its directory.",
    ),
    Row(
        "<FilesMatch>",
        HOSTS | frozenset({Context.DIRECTORY, Context.LOCATION}),
        "PATTERN",
        "Settings for files whose name a regular expression finds.",
    ),
    Row("<Location>", HOSTS, "[~] URL-PATH", "Settings for an URL path and all below it; these count last."),
    Row("<LocationMatch>", HOSTS, "PATTERN", "Settings for the URL paths that a regular expression finds."),
    Row(
        "Options",
        ANYWHERE,
        "[+|-]OPTION ...",
        f"What may be done in a directory: {', '.join(_OPTIONS[:5])}, All, None.",
        _options,
        "FollowSymLinks",
    ),
    Row(
        "AllowOverride",
        SECTIONS,
        "TYPE ...",
        ".htaccess files are never read; anything but None is a warning.",
        _allow_override,
    ),
    Row(
        "DirectoryIndex",
        ANYWHERE,
        "FILE ...",
        "What is served for a directory: the first of these that there is; `disabled` for nothing.",
        _directory_index,
        "index.html",
    ),
    Row(
        "DirectoryIndexRedirect",
        ANYWHERE,
        "On|Off|permanent|temp|seeother|3xx",
        "Without effect: the index is sent at the directory's own URL, as with Off; anything else is warned of.",
        _index_redirect,
        "Off",
    ),
    setting(
        "DirectorySlash",
        ANYWHERE,
        "directory_slash",
        flag(),
        "Whether a directory without its last slash is redirected to the one with it.",
        default="On",
    ),
    setting(
        "FallbackResource",
        ANYWHERE,
        "fallback_resource",
        text("URL-PATH", "an URL path, or disabled", off="disabled"),
        "What is served where there is neither file nor directory.",
    ),
    Row(
        "AddHandler", ANYWHERE, "HANDLER EXTENSION ...", "Files of these extensions are run: `wsgi-script .wsgi`.", _add
    ),
    setting(
        "SetHandler",
        ANYWHERE,
        "set_handler",
        text("HANDLER", "the name of a handler, or none", off="none"),
        "All files here are run: `wsgi-script`, or the name of a WSGIHandlerScript.",
    ),
    Row("AddType", ANYWHERE, "TYPE EXTENSION ...", "The media type of files with these extensions.", _add),
    Row("AddEncoding", ANYWHERE, "ENCODING EXTENSION ...", "The content coding of files with these extensions.", _add),
    Row("AddCharset", ANYWHERE, "CHARSET EXTENSION ...", "The character set of files with these extensions.", _add),
    Row("AddLanguage", ANYWHERE, "LANGUAGE EXTENSION ...", "The language of files with these extensions.", _add),
    Row("RemoveHandler", ANYWHERE, "EXTENSION ...", "Takes AddHandler back.", _remove),
    Row("RemoveType", ANYWHERE, "EXTENSION ...", "Takes AddType back.", _remove),
    Row("RemoveEncoding", ANYWHERE, "EXTENSION ...", "Takes AddEncoding back.", _remove),
    Row("RemoveCharset", ANYWHERE, "EXTENSION ...", "Takes AddCharset back.", _remove),
    Row("RemoveLanguage", ANYWHERE, "EXTENSION ...", "Takes AddLanguage back.", _remove),
    setting(
        "ForceType",
        ANYWHERE,
        "force_type",
        text("TYPE", "a media type, or none", off="none"),
        "The media type of all files here.",
    ),
    setting(
        "AddDefaultCharset",
        ANYWHERE,
        "default_charset",
        _default_charset(),
        "The character set that text/html and text/plain are given if they name none.",
        default="Off",
    ),
    Row(
        "FileETag",
        ANYWHERE,
        "PART ...",
        "What a file's ETag is made of: MTime, Size, INode; None for no ETag.",
        _file_etag,
        "MTime Size",
    ),
    Row(
        "MultiviewsMatch",
        ANYWHERE,
        "Any|NegotiatedOnly|Filters|Handlers ...",
        "Which further extensions a file may have that MultiViews finds; Handlers: those of AddHandler too.",
        _multiviews_match,
        "NegotiatedOnly",
    ),
    Row(
        "LanguagePriority",
        ANYWHERE,
        "LANGUAGE ...",
        "Which languages MultiViews prefers, the first most, where the client does not mind.",
        _language_priority,
    ),
    Row(
        "ForceLanguagePriority",
        ANYWHERE,
        "Prefer|Fallback|None ...",
        "When LanguagePriority decides: Prefer, where the client likes several equally; Fallback, where it likes none.",
        _force_language_priority,
        "Prefer",
    ),
    setting(
        "AcceptPathInfo",
        ANYWHERE,
        "accept_path_info",
        choice("On", "Off", "Default"),
        "Whether a path may go on after the name of a file; Default: for scripts only.",
        default="Default",
    ),
    Row(
        "Redirect",
        ANYWHERE,
        "[STATUS] URL-PATH|URL [URL]",
        "Sends clients elsewhere: permanent, temp, seeother, gone or a number; what follows the path is kept. "
        "In a section URL-PATH may be missing: everything there goes to URL, and nothing is appended to it.",
        _redirect,
        "temp",
    ),
    Row("RedirectMatch", ANYWHERE, "[STATUS] PATTERN [URL]", "Redirect with a regular expression.", _redirect, "temp"),
    Row("RedirectPermanent", ANYWHERE, "URL-PATH URL", "Redirect with status 301.", _redirect),
    Row("RedirectTemp", ANYWHERE, "URL-PATH URL", "Redirect with status 302.", _redirect),
)
