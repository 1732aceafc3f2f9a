"""scripts: a script is loaded as mod_wsgi loads it, every failure is one clear LoadError, every change is noticed."""

import hashlib
import importlib
import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from pydaemonwsgi.daemon.scripts import LoadError, Script, WSGIApplication, extend_path

GOOD = "def application(environ, start_response):\n    return []\n"


@pytest.fixture(autouse=True)
def clean_interpreter(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`sys.path` and `sys.modules` are afterwards what they were."""
    modules = set(sys.modules)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the script is; the directory has nothing else in it."""
    directory = tmp_path / "scripts"
    directory.mkdir()
    return directory / "app.wsgi"


def script(path: Path, source: str) -> Script:
    """A script with this source."""
    path.write_text(textwrap.dedent(source))
    return Script(str(path), None)


def application_of(script: Script, callable_object: str = "application") -> WSGIApplication:
    """The application of a script that is loaded for it."""
    script.load()
    return script.find(callable_object)


def module_name(path: Path) -> str:
    """The name under which mod_wsgi has a script's module."""
    return "_mod_wsgi_" + hashlib.md5(os.fsencode(path)).hexdigest()


# -- loading


@pytest.mark.parametrize("name", ["app.wsgi", "app.py", "app", "app.txt", "späß app.wsgi"])
def test_any_file_name_is_a_script(path: Path, name: str) -> None:
    """The extension means nothing."""
    assert application_of(script(path.with_name(name), GOOD))({}, None) == []


def test_the_module_is_found_under_mod_wsgi_s_name(path: Path) -> None:
    """The module's name is made from the path; it knows its file and its modification time in microseconds."""
    application = application_of(script(path, GOOD))

    module = sys.modules[module_name(path)]
    assert module.application is application
    assert module.__name__ == module_name(path)
    assert module.__file__ == str(path)
    assert module.__mtime__ == path.stat().st_mtime_ns // 1000


def test_the_script_s_directory_is_not_on_the_path(path: Path) -> None:
    """A script cannot import its neighbours unless it is told where they are."""
    path.with_name("neighbour.py").write_text("")
    with pytest.raises(LoadError, match="No module named 'neighbour'"):
        script(path, "import neighbour\n" + GOOD).load()
    assert str(path.parent) not in sys.path


def test_no_bytecode_is_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left beside the script."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    script(path, GOOD).load()
    assert os.listdir(path.parent) == [path.name]


def test_our_own_future_imports_do_not_leak_in(path: Path) -> None:
    """The script is compiled as if it were alone: annotations are evaluated."""
    script(path, "def application(e: 1 + 1, s): return []\nassert application.__annotations__['e'] == 2\n").load()


def test_an_encoding_declaration_counts(path: Path) -> None:
    """The source is read as bytes, so that its coding line is obeyed."""
    path.write_bytes(b"# -*- coding: latin-1 -*-\ntext = '\xe9'\nassert ord(text) == 0xe9\n" + GOOD.encode())
    Script(str(path), None).load()


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("app = lambda environ, start_response: []", "app"),
        ("class Site:\n    @staticmethod\n    def wsgi(environ, start_response): return []", "Site.wsgi"),
        ("class Site:\n    def __call__(self, environ, start_response): return []\nsite = Site()", "site"),
    ],
    ids=["another name", "dotted", "callable object"],
)
def test_callable_object(path: Path, source: str, name: str) -> None:
    """The application may have any name, be an attribute of something, be any callable."""
    assert application_of(script(path, source), name)({}, None) == []


# -- loading that fails


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def application(:\n", "SyntaxError"),
        ("\0", "null bytes"),
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("1/0", "ZeroDivisionError"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise BaseException('odd')", "BaseException: odd"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("open('/no/such/file')", "FileNotFoundError"),
        ("import sys; sys.exit(3)", r"called sys.exit\(3\)"),
        ("raise SystemExit('bye')", r"called sys.exit\('bye'\)"),
        ("def f(): f()\nf()", "RecursionError"),
        ("class E(Exception):\n    def __str__(self): 1/0\nraise E", "E: <exception str"),
        ("", "does not contain the WSGI application 'application'; .*--callable-object"),
        ("application = None", "is a NoneType, not callable"),
        ("application = 'text'", "is a str, not callable"),
    ],
    ids=[
        "syntax", "NUL", "import", "exception", "KeyboardInterrupt", "BaseException", "GeneratorExit", "other file",
        "exit status", "exit text", "recursion", "exception without text", "no application", "None", "no callable",
    ],
)  # fmt: skip
def test_every_failure_is_a_load_error(path: Path, source: str, words: str) -> None:
    """Whatever goes wrong is one LoadError that says what; nothing else ever comes out."""
    with pytest.raises(LoadError, match=words):
        application_of(script(path, source))


@pytest.mark.parametrize("source", ["1/0", "raise KeyboardInterrupt", "import sys; sys.exit()", "x ="])
def test_half_a_module_is_not_kept(path: Path, source: str) -> None:
    """After a failure the module is not in `sys.modules`."""
    with pytest.raises(LoadError):
        script(path, source).load()
    assert module_name(path) not in sys.modules


def test_a_traceback_begins_in_the_script(path: Path) -> None:
    """The message shows the script's frames and none of the server's."""
    with pytest.raises(LoadError) as caught:
        script(path, "def inner():\n    raise ValueError('why')\ninner()\n").load()

    text = str(caught.value)
    assert text.startswith("Traceback (most recent call last):\n")
    assert f'File "{path}", line 2, in inner' in text
    assert text.endswith("ValueError: why")
    assert "scripts.py" not in text


@pytest.mark.parametrize("kind", ["missing", "directory"])
def test_a_script_that_cannot_be_read(path: Path, kind: str) -> None:
    """The message names the file and why it cannot be read, without a traceback."""
    if kind == "directory":
        path.mkdir()
    with pytest.raises(LoadError, match=f"cannot read script {path}: (No such file|Is a directory)") as caught:
        Script(str(path), None).load()
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("source", ["", GOOD], ids=["without an application", "with one"])
def test_a_module_getattr_that_raises_is_a_load_error(path: Path, source: str) -> None:
    """A script whose `__getattr__` raises something odd for names that it does not know is like one without them."""
    loaded = script(path, source + "\ndef __getattr__(name): return {}[name]\n")
    if source:
        assert application_of(loaded)({}, None) == []
    else:
        with pytest.raises(LoadError):
            application_of(loaded)


# -- modules


def test_a_module_is_imported_by_name(tmp_path: Path) -> None:
    """`package.module` is imported like any module, and its file is known."""
    package = tmp_path / "package_of_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "site.py").write_text(GOOD)
    sys.path.insert(0, str(tmp_path))

    loaded = Script(None, "package_of_test.site")
    assert application_of(loaded)({}, None) == []
    assert loaded.filename == str(package / "site.py")
    assert not loaded.has_changed()
    os.utime(package / "site.py", ns=(1, 10**18))
    assert loaded.has_changed()


@pytest.mark.parametrize(
    ("module", "words"),
    [("no_such_module_anywhere", "No module named"), ("os.path.nothing", "No module named"), ("json", "'application'")],
    ids=["missing", "no package", "no application"],
)
def test_a_module_that_fails(module: str, words: str) -> None:
    """A module that is not there, or has no application, is a LoadError too."""
    with pytest.raises(LoadError, match=words):
        application_of(Script(None, module))


def test_a_module_that_failed_is_retried_when_its_file_changes(tmp_path: Path) -> None:
    """As with a script: the mistake in a module is corrected, and the change is seen."""
    sys.path.insert(0, str(tmp_path))
    path = tmp_path / "broken_module_of_test.py"
    path.write_text("1/0\n")
    loaded = Script(None, "broken_module_of_test")
    with pytest.raises(LoadError):
        loaded.load()

    path.write_text(GOOD)
    os.utime(path, ns=(1, 10**18))
    assert loaded.has_changed()


# -- noticing changes


def test_a_loaded_script_has_not_changed(path: Path) -> None:
    """Nothing happened, nothing changed."""
    loaded = script(path, GOOD)
    loaded.load()
    assert not loaded.has_changed()
    assert loaded.version == loaded.current_version() == path.stat().st_mtime_ns


@pytest.mark.parametrize("offset", [1, -1, -(10**18)], ids=["a nanosecond later", "a nanosecond older", "much older"])
def test_any_other_time_is_a_change(path: Path, offset: int) -> None:
    """The modification time need not be newer, as when a backup is put back; it need only differ."""
    loaded = script(path, GOOD)
    loaded.load()
    os.utime(path, ns=(0, path.stat().st_mtime_ns + offset))
    assert loaded.has_changed()


def test_a_replaced_file_is_a_change(path: Path) -> None:
    """An editor's or a deployment's rename over the script counts, and so does a link that points elsewhere."""
    other = path.with_name("other")
    loaded = script(path, GOOD)
    loaded.load()
    other.write_text(GOOD)
    os.utime(other, ns=(0, 10**18))
    other.replace(path)
    assert loaded.has_changed()


def test_a_missing_file_is_no_change(path: Path) -> None:
    """A script that is being replaced, or was deleted, goes on with the code that is loaded."""
    loaded = script(path, GOOD)
    loaded.load()
    path.unlink()
    assert not loaded.has_changed()
    assert loaded.current_version() == 0


@pytest.mark.parametrize("exists", [True, False], ids=["a script with a mistake", "no script"])
def test_a_script_that_failed_changes_when_it_is_written(path: Path, exists: bool) -> None:
    """After a failure to load, the corrected file is a change."""
    loaded = Script(str(path), None)
    if exists:
        path.write_text("1/0")
        os.utime(path, ns=(0, 10**18))
    with pytest.raises(LoadError):
        loaded.load()
    assert not loaded.has_changed()

    path.write_text(GOOD)
    assert loaded.has_changed()
    loaded.load()
    assert not loaded.has_changed()


def test_a_change_while_it_loads_is_not_missed(path: Path) -> None:
    """A script that is saved again after it was read is seen as changed."""
    loaded = script(path, "import os\nos.utime(__file__, ns=(0, 10**18))\n" + GOOD)
    loaded.load()
    assert loaded.has_changed()


# -- reload_required


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", False),
        ("reload_required = True", False),
        ("def reload_required(resource): return False", False),
        ("def reload_required(resource): return True", True),
        ("def reload_required(resource): return [resource]", True),
        ("def reload_required(resource): return resource.endswith('.wsgi')", True),
    ],
    ids=["none", "no function", "no", "yes", "truthy", "asked with the path"],
)
def test_reload_required(path: Path, source: str, expected: bool) -> None:
    """A script's own function is asked, with the script's path, and its answer taken as true or false."""
    loaded = script(path, GOOD + source)
    loaded.load()
    assert loaded.asks_for_reload() is expected


def test_reload_required_may_raise(path: Path) -> None:
    """What the function raises reaches the caller, who decides."""
    loaded = script(path, GOOD + "def reload_required(resource): 1/0")
    loaded.load()
    with pytest.raises(ZeroDivisionError):
        loaded.asks_for_reload()


def test_nothing_loaded_asks_for_nothing(path: Path) -> None:
    """Before it is loaded, a script wants no reload."""
    assert not Script(str(path), None).asks_for_reload()


# -- sys.path


def test_extend_path_puts_directories_first_in_order(tmp_path: Path) -> None:
    """What is given comes before all else, in the order given."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    before = list(sys.path)
    extend_path([str(first), str(second)])
    assert sys.path == [str(first), str(second), *before]


def test_extend_path_follows_pth_files(tmp_path: Path) -> None:
    """A `.pth` file in a directory adds what it names, before what was on the path, and its imports are run."""
    directory, named = tmp_path / "site", tmp_path / "named"
    directory.mkdir()
    named.mkdir()
    (directory / "x.pth").write_text(f"{named}\n{tmp_path}/missing\nimport sys; sys.pth_was_run = True\n")
    before = list(sys.path)
    try:
        extend_path([str(directory)])
        assert sys.path == [str(directory), str(named), *before]
        assert sys.pth_was_run  # type: ignore[attr-defined]
    finally:
        del sys.pth_was_run  # type: ignore[attr-defined]


def test_extend_path_leaves_what_is_there(tmp_path: Path) -> None:
    """A directory that is on the path already keeps its place, as with mod_wsgi."""
    sys.path.append(str(tmp_path))
    before = list(sys.path)
    extend_path([str(tmp_path)])
    assert sys.path == before


def test_extend_path_by_nothing() -> None:
    """No directories, no change."""
    before = list(sys.path)
    extend_path([])
    assert sys.path == before
