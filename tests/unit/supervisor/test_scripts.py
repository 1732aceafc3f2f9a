"""scripts: which scripts a successor loads before it serves."""

from pydaemonwsgi.supervisor.scripts import ScriptsInUse


def test_the_script_that_came_first_is_forgotten_where_there_are_too_many() -> None:
    """One that is known already takes nobody's place, and its callable object may change."""
    scripts = ScriptsInUse()
    for number in range(64):
        scripts.note(f"/{number}.wsgi", "application")
    scripts.note("/0.wsgi", "other")
    assert (len(scripts), scripts["/0.wsgi"]) == (64, "other")
    scripts.note("/64.wsgi", "application")
    assert (len(scripts), "/0.wsgi" in scripts, "/1.wsgi" in scripts) == (64, False, True)
