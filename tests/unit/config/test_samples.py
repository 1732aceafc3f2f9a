"""The files in conf/: each is a configuration that can be meant, and nothing about it is to be regretted."""

from pathlib import Path

import pytest

from pydaemonwsgi.config.apache.files import FilesInMemory
from pydaemonwsgi.config.checking.table import check
from pydaemonwsgi.config.client_options import ClientOptions
from pydaemonwsgi.config.directive_reference import directives_page
from pydaemonwsgi.config.directives.row import Support
from pydaemonwsgi.config.directives.table import DIRECTIVES
from pydaemonwsgi.config.group_options import GroupOptions
from pydaemonwsgi.config.load import Loaded, load
from pydaemonwsgi.config.model import DEFAULT_SETTINGS, merge_settings
from pydaemonwsgi.config.sample import sample_configuration
from tests.unit.config.checking.fake_machine import FakeMachine

ROOT = Path(__file__).parents[3]
SAMPLES = sorted(path.name for path in (ROOT / "conf").glob("*.conf") if not path.name.startswith("nginx"))


def loaded(name: str) -> Loaded:
    content = (ROOT / "conf" / name).read_bytes()
    return load(f"/etc/{name}", FilesInMemory({f"/etc/{name}": content}))


def test_the_samples_are_all_there() -> None:
    assert SAMPLES == [
        "behind-haproxy.conf",
        "behind-nginx.conf",
        "django.conf",
        "every-option.conf",
        "hosting.conf",
        "shared-group.conf",
        "two-users.conf",
    ]


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_has_nothing_to_complain_of(name: str) -> None:
    result = loaded(name)
    assert [str(problem) for problem in result.problems if "says where" not in problem.text] == []
    # As root, who may listen on port 80; the sample of every option names no user, because that has no default.
    machine = FakeMachine(root=name != "every-option.conf")
    assert [str(problem) for problem in check(result.required(), machine)] == []


def test_the_sample_of_every_option_on_disk_is_the_generated_one() -> None:
    assert (ROOT / "conf" / "every-option.conf").read_text(encoding="utf-8") == sample_configuration()


def test_the_sample_of_every_option_says_the_defaults() -> None:
    server = loaded("every-option.conf").required()
    (group,) = server.groups
    assert (group.options, server.clients) == (GroupOptions(), ClientOptions())
    settings = server.main.settings
    assert merge_settings(settings, DEFAULT_SETTINGS) == merge_settings(DEFAULT_SETTINGS, settings)


def test_two_hosts_share_one_group_and_have_application_groups_of_their_own() -> None:
    server = loaded("shared-group.conf").required()
    assert [group.name for group in server.groups] == ["shared"]
    assert [host.settings.process_group for host in server.virtual_hosts] == ["shared", "shared"]
    assert [host.settings.application_group for host in server.virtual_hosts] == ["blog", "shop"]


def test_two_users_have_groups_and_environments_of_their_own() -> None:
    server = loaded("two-users.conf").required()
    assert [(group.name, group.options.user, group.options.python_home) for group in server.groups] == [
        ("alice", "alice", "/home/alice/venv"),
        ("bob", "bob", "/home/bob/venv"),
    ]
    assert [script.process_group for script in server.import_scripts] == ["alice", "bob"]


def test_the_reference_page_of_the_directives_on_disk_is_the_generated_one() -> None:
    page = (ROOT / "docs" / "reference" / "directives.md").read_text(encoding="utf-8")
    assert page == directives_page()


def test_the_reference_page_names_every_directive_once_in_a_table() -> None:
    lines = [line for line in directives_page().splitlines() if line.startswith("| `")]
    for row in DIRECTIVES.values():
        name = row.name.rstrip(">") if row.support is Support.OBEYED else row.name
        beginnings = (f"`{name} ", f"`{name}`", f"`{name}>`")
        assert sum(any(text in line for text in beginnings) for line in lines) >= 1, row.name
