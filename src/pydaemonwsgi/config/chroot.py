"""Paths of a process whose root is another directory: given as seen from outside, used as seen from inside. Sans-I/O.

mod_wsgi takes the script's path from outside and `home` from inside. One rule for all paths is easier to keep, and a
path that was meant otherwise is refused, not misunderstood.
"""

import os.path

from pydaemonwsgi.errors import ConfigurationError

__all__ = ["seen_from_inside"]


def seen_from_inside(path: str, root: str | None, what: str) -> str:
    """Return an absolute path as a process sees it for which `root` is the root; as it is, without one.

    Symbolic links are not followed: those of the part above `root` mean nothing inside, those below are resolved there.

    Args:
        path: absolute, as seen from outside.
        root: the directory given with --chroot.
        what: says what the path is for: "the script".

    Raises:
        ConfigurationError: there is no way from inside to that path.
    """
    if root is None:
        return path
    root, path = os.path.normpath(root), os.path.normpath(path)
    if root == "/":
        return path
    if path == root or path.startswith(f"{root}/"):
        return path.removeprefix(root) or "/"
    raise ConfigurationError(
        f"{what} {path} is outside of --chroot {root}: processes inside cannot see it; put it below that directory, "
        f"and give its path as seen from outside, such as {root}{path}"
    )
