"""What SCRIPT names: a file or a module, and the callable object in it."""

import pytest

from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.config.script import ScriptSpec, resolve_script
from pydaemonwsgi.errors import ConfigurationError

FILES = {
    "/home/me/app.wsgi",
    "/home/me/app.ext",
    "/home/me/noext",
    "/home/me/a:b.wsgi",
    "/home/me/sub/deep.py",
    "/srv/abs.wsgi",
}


def resolve(script: str, callable_object: str = "application") -> ScriptSpec:
    options = ServeOptions(script, callable_object=callable_object)
    return resolve_script(options, cwd="/home/me", exists=FILES.__contains__)


@pytest.mark.parametrize(
    ("script", "path", "module", "callable_object"),
    [
        ("app.wsgi", "/home/me/app.wsgi", None, "application"),
        ("./app.wsgi", "/home/me/app.wsgi", None, "application"),
        ("app.ext", "/home/me/app.ext", None, "application"),
        ("noext", "/home/me/noext", None, "application"),
        ("a:b.wsgi", "/home/me/a:b.wsgi", None, "application"),
        ("sub/deep.py", "/home/me/sub/deep.py", None, "application"),
        ("../me/app.wsgi", "/home/me/app.wsgi", None, "application"),
        ("/srv/abs.wsgi", "/srv/abs.wsgi", None, "application"),
        ("app.wsgi:main", "/home/me/app.wsgi", None, "main"),
        ("/srv/abs.wsgi:site.main", "/srv/abs.wsgi", None, "site.main"),
        ("noext:main", "/home/me/noext", None, "main"),
        ("package", None, "package", "application"),
        ("package.module", None, "package.module", "application"),
        ("package.module:main", None, "package.module", "main"),
        ("package.module:site.main", None, "package.module", "site.main"),
        ("mysite.wsgi:main", None, "mysite.wsgi", "main"),
    ],
)
def test_resolve_script_finds(script: str, path: str | None, module: str | None, callable_object: str) -> None:
    """A SCRIPT names the file or module, and the callable object, of the table."""
    assert resolve(script) == ScriptSpec(path, module, callable_object)


@pytest.mark.parametrize("script", ["app.wsgi", "package.module"])
def test_resolve_script_takes_the_callable_from_the_option(script: str) -> None:
    """--callable-object names the callable object where SCRIPT does not."""
    assert resolve(script, "main").callable_object == "main"


def test_resolve_script_accepts_the_same_callable_twice() -> None:
    """SCRIPT and --callable-object may agree."""
    assert resolve("package.module:main", "main").callable_object == "main"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (
            "gone.wsgi",
            "there is no file /home/me/gone.wsgi; for the module of that name give gone.wsgi:application",
        ),
        ("gone.py", "there is no file /home/me/gone.py"),
        ("gone.py:main", "there is no file /home/me/gone.py"),
        ("sub/gone", "there is no file /home/me/sub/gone"),
        ("sub/gone.wsgi:main", "there is no file /home/me/sub/gone.wsgi"),
        ("/gone.wsgi", "there is no file /gone.wsgi"),
        ("my-app", "'my-app' is neither an existing file nor a module; there is no file /home/me/my-app"),
        (":main", "':main' names no script; give a file or a module before the colon"),
        ("a..b", "'a..b' is neither an existing file nor a module"),
        ("package.module:", "'' in 'package.module:' is not a Python name"),
        ("package.module:1st", "'1st' in 'package.module:1st' is not a Python name"),
        ("package.module:create()", "calls a factory, which is not supported; assign its result to a name"),
        ("app.wsgi:create('a:b')", "(application = create('a:b'))"),
    ],
)
def test_resolve_script_refuses(script: str, words: str) -> None:
    """A SCRIPT that names nothing is refused in one line that names what was looked for."""
    with pytest.raises(ConfigurationError) as caught:
        resolve(script)
    assert words in str(caught.value)
    assert str(caught.value).startswith("SCRIPT: ")
    assert "\n" not in str(caught.value)


def test_resolve_script_refuses_two_callables() -> None:
    """SCRIPT and --callable-object must not name different objects."""
    with pytest.raises(ConfigurationError, match="SCRIPT names the callable object 'main'"):
        resolve("package.module:main", "other")
