"""What cannot be meant is refused by name; what merely looks odd is not."""

from typing import Any

import pytest

from pydaemonwsgi.config.options import ServeOptions
from pydaemonwsgi.config.validation import validate
from pydaemonwsgi.config.values import ListenAddress
from pydaemonwsgi.errors import ConfigurationError


def test_defaults_are_valid() -> None:
    """The defaults pass their own validation."""
    validate(ServeOptions("app.wsgi"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"threads": -1}, "--threads: '-1' is too small; give 0 to 65534"),
        ({"threads": 65535}, "--threads: '65535' is too large"),
        ({"processes": 0}, "--processes: '0' is too small; give 1 to 1024"),
        ({"port": 65536}, "--port: '65536' is too large; give 0 to 65535"),
        ({"queue_timeout": -1.0}, "--queue-timeout: '-1s' is not a duration"),
        ({"queue_timeout": float("inf")}, "--queue-timeout: 'infs' is not a duration"),
        ({"mount_point": "app"}, "--mount-point: 'app' does not begin with /"),
        ({"script": ""}, "SCRIPT: '' is empty"),
        ({"listen": (ListenAddress("a b", 1),)}, "--listen: 'a b:1' is not a host"),
        (
            {"reload_on_changes": True, "disable_reloading": True},
            "--reload-on-changes and --disable-reloading contradict each other",
        ),
        ({"home": "/srv", "working_directory": "/srv"}, "--home and --working-directory say the same"),
        (
            {"preload": True, "application_groups": "interpreters"},
            "--preload and --application-groups interpreters exclude each other",
        ),
        ({"home": "srv"}, "--home: 'srv' does not begin with /"),
        ({"script_user": "jack", "script_group": "web"}, "--script-user and --script-group exclude each other"),
        ({"cpu_priority": 21}, "--cpu-priority: '21' is too large; give -20 to 20"),
        ({"cpu_time_limit": 1.5}, "--cpu-time-limit: '1.5s' is not a whole number of seconds"),
        ({"memory_limit": 512}, "--memory-limit: '512' is too small"),
        ({"send_buffer_size": 511}, "--send-buffer-size: '511' is too small"),
        ({"header_buffer_size": 8191}, "--header-buffer-size: '8191' is too small"),
        ({"stack_size": 1}, "--stack-size: '1' is too small"),
        ({"switch_interval": 0.0}, "--switch-interval: '0s' is too small"),
        ({"listen": (ListenAddress("", 80),), "port": 81}, "--port is without effect beside --listen"),
        ({"listen": (ListenAddress("", 80),), "host": "::1"}, "--host is without effect beside --listen"),
        ({"listen": (ListenAddress("", 80),) * 2}, "--listen :80 is given twice"),
        ({"header_timeout": 31.0}, "--header-timeout (31 s) is longer than --header-max-timeout (30 s)"),
        ({"body_max_timeout": 5.0}, "--body-timeout (15 s) is longer than --body-max-timeout (5 s)"),
    ],
)
def test_validate_refuses(given: dict[str, Any], words: str) -> None:
    """Values out of bounds and values that contradict each other are refused by name."""
    with pytest.raises(ConfigurationError) as caught:
        validate(ServeOptions(**{"script": "app.wsgi", **given}))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        ServeOptions("a", listen=(ListenAddress("", 0), ListenAddress("", 0))),
        ServeOptions("a", header_timeout=60.0, header_max_timeout=0.0),
        ServeOptions("a", queue_timeout=0.0, graceful_timeout=0.0),
        ServeOptions("a", group="www-data"),
        ServeOptions("a", supplementary_groups=()),
    ],
)
def test_validate_accepts(options: ServeOptions) -> None:
    """Combinations that merely look odd are accepted."""
    validate(options)
