"""Whether options can be meant: each by its own rule, and together. Sans-I/O."""

from dataclasses import MISSING

from pydaemonwsgi.config.options import OPTIONS, ServeOptions
from pydaemonwsgi.config.values import INTERPRETERS, ListenAddress
from pydaemonwsgi.errors import ConfigurationError

__all__ = ["EXCLUSIVE", "PRELOADED_INTERPRETERS", "validate"]

EXCLUSIVE = (
    ("reload_on_changes", "disable_reloading", "contradict each other"),
    ("script_user", "script_group", "exclude each other"),
)
"""Options of a process group of which only one may be given, and why."""
PRELOADED_INTERPRETERS = "exclude each other: sub-interpreters do not outlive a fork"
"""Why `preload` and `application-groups=interpreters` cannot both be meant."""


def validate(options: ServeOptions) -> None:
    """Check every value by its own rule, and what only several of them together get wrong.

    Raises:
        ConfigurationError: for the first thing that cannot be meant.
    """
    for row in OPTIONS.values():
        value = getattr(options, row.name)
        if row.is_positional and options.config is not None:
            continue  # the configuration is in its place
        if row.kind is not None and (row.default is MISSING or value != row.default):
            for text in row.render(value):
                row.parse(text)
    for one, other, why in EXCLUSIVE:
        if getattr(options, one) and getattr(options, other):
            raise ConfigurationError(f"{OPTIONS[one].flag} and {OPTIONS[other].flag} {why}; give one")
    if options.preload and not options.threads:
        raise ConfigurationError(
            "--preload is nothing for a service script (--threads 0): it is not forked; leave it out"
        )
    if options.preload and options.application_groups == INTERPRETERS:
        raise ConfigurationError(f"--preload and --application-groups interpreters {PRELOADED_INTERPRETERS}; give one")
    if options.home is not None and options.working_directory is not None:
        raise ConfigurationError("--home and --working-directory say the same; give one")
    _validate_listeners(options)
    for part in ("header", "body"):
        first = getattr(options, f"{part}_timeout")
        longest = getattr(options, f"{part}_max_timeout")
        if longest and first > longest:
            raise ConfigurationError(
                f"--{part}-timeout ({first:g} s) is longer than --{part}-max-timeout ({longest:g} s); "
                f"raise --{part}-max-timeout, or give 0 for none"
            )


def _validate_listeners(options: ServeOptions) -> None:
    if not options.listen:
        return
    for name in ("host", "port"):
        row = OPTIONS[name]
        if getattr(options, name) != row.default:
            raise ConfigurationError(
                f"{row.flag} is without effect beside --listen; "
                f"give --listen {ListenAddress(options.host, options.port)} as well, or leave {row.flag} out"
            )
    for place, address in enumerate(options.listen):
        if address in options.listen[:place] and (address.port or address.path):
            raise ConfigurationError(f"--listen {address} is given twice; leave one out")
