"""The walk along a file's path: the first file on the way, links, and the sections of every directory. Sans-I/O."""

from pydaemonwsgi.config.model import ScriptAlias
from pydaemonwsgi.routing.answers import Answered
from pydaemonwsgi.routing.files import FileFacts, FileKind
from pydaemonwsgi.routing.paths import merge_slashes
from pydaemonwsgi.routing.request import Request

__all__ = ["walk"]


def walk(request: Request) -> tuple[int, ...]:
    """Find what the request's filename leads to; return the numbers of the `<Directory>` sections on the way.

    Sets `filename` to the first thing on the way that is no directory, or to the directory, `path_info` to what
    follows, and `found`.

    Raises:
        Answered: 403: a link may not be followed, a directory not be entered, or it is neither file nor directory.
            A script of an alias need not be visible.
    """
    path = merge_slashes(request.filename)
    if "/.." in path and (path.endswith("/..") or "/../" in path):
        # No request's path has such a segment; a substitution or an alias has made one.
        raise Answered(403, f"{path} leads upwards")
    request.filename = path
    sections = request.site.sections
    script = _script_of_alias(request, path)
    if request.site.follows_links and (script is not None or not path.endswith("/")):
        # Without links to look for, a file is found in one step: its directories need not be asked.
        found = request.stat(script or path)
        if found.kind is FileKind.FILE:
            if script is not None:
                request.filename, request.path_info, path = script, path[len(script) :], script
            request.found = found
            # A section for the very file counts too.
            return sections.on_the_way(path[: path.rfind("/")] or "/") + sections.of_directory(path)
    numbers = sections.of_directory("/")
    position = 1
    while position < len(path):
        end = path.find("/", position)
        component = path if end < 0 else path[:end]
        found = _look(request, component, numbers)
        request.found = found
        if found.kind is FileKind.DIRECTORY:
            numbers += sections.of_directory(component)
            if end < 0:
                return numbers
            position = end + 1
            continue
        if found.kind is FileKind.FILE:
            numbers += sections.of_directory(component)
        if found.kind in {FileKind.FILE, FileKind.MISSING}:
            request.filename = component
            request.path_info = path[len(component) :]
            return numbers
        if found.kind is FileKind.FORBIDDEN:
            if (hidden := _script_out_of_sight(request, numbers)) is not None:
                return hidden
            raise Answered(403, f"{component} cannot be reached: a directory on the way cannot be searched")
        raise Answered(403, f"{component} is neither a file nor a directory")
    if position == 1:
        request.found = request.stat("/")
    return numbers


def _script_of_alias(request: Request, path: str) -> str | None:
    """Return what an alias says that a path leads to, if it is not a directory of scripts."""
    alias = request.alias
    if alias is None or not isinstance(alias.source, ScriptAlias) or alias.root.endswith("/"):
        return None
    script = merge_slashes(alias.root)
    return script if (path + "/").startswith(script + "/") else None


def _script_out_of_sight(request: Request, numbers: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the sections of an alias's script that only the user may see who runs it; None where there is none.

    The daemon process says whether the script is there. Where links may not be followed as one likes, nobody here
    could check them.
    """
    script = _script_of_alias(request, request.filename)
    follows = request.site.follows_links or "followsymlinks" in request.site.sections.context(numbers).options
    if script is None or not follows:
        return None
    request.path_info = request.filename[len(script) :]
    request.filename = script
    request.found = FileFacts(FileKind.FILE)
    sections = request.site.sections
    return sections.on_the_way(script[: script.rfind("/")] or "/") + sections.of_directory(script)


def _look(request: Request, component: str, numbers: tuple[int, ...]) -> FileFacts:
    if request.site.follows_links:
        return request.stat(component)
    options = request.site.sections.context(numbers).options
    if "followsymlinks" in options:
        return request.stat(component)
    found = request.lstat(component)
    if found.kind is not FileKind.LINK:
        return found
    if "symlinksifownermatch" not in options:
        raise Answered(
            403, f"{component} is a symbolic link, and neither FollowSymLinks nor SymLinksIfOwnerMatch is on"
        )
    target = request.stat(component)
    if target.kind not in {FileKind.MISSING, FileKind.FORBIDDEN} and target.owner != found.owner:
        raise Answered(403, f"{component} is a symbolic link whose owner is not its target's")
    return target
