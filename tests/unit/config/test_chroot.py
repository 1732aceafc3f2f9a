"""chroot: what a path outside is inside."""

import pytest

from pydaemonwsgi.config.chroot import seen_from_inside
from pydaemonwsgi.errors import ConfigurationError


@pytest.mark.parametrize(
    ("path", "root", "inside"),
    [
        ("/srv/app.wsgi", None, "/srv/app.wsgi"),
        ("/srv/app.wsgi", "/", "/srv/app.wsgi"),
        ("/jail/srv/app.wsgi", "/jail", "/srv/app.wsgi"),
        ("/jail/srv/app.wsgi", "/jail/", "/srv/app.wsgi"),
        ("/jail//srv/../app.wsgi", "/jail", "/app.wsgi"),
        ("/jail", "/jail", "/"),
    ],
)
def test_a_path_below_the_root_loses_the_root(path: str, root: str | None, inside: str) -> None:
    """What lies below is named from there."""
    assert seen_from_inside(path, root, "the script") == inside


@pytest.mark.parametrize("path", ["/srv/app.wsgi", "/jailhouse/app.wsgi", "/jail/../app.wsgi", "/"])
def test_a_path_elsewhere_is_refused(path: str) -> None:
    """The message names the path, the root, and what to write instead."""
    with pytest.raises(ConfigurationError, match=r"^the script .* is outside of --chroot /jail: .*from outside"):
        seen_from_inside(path, "/jail", "the script")
