"""What a text on the command line or in a configuration file means, by kind of value. Sans-I/O."""

from pydaemonwsgi.config.values.addresses import ListenAddress, host_name, listen_address
from pydaemonwsgi.config.values.kinds import BadValueError, ValueKind
from pydaemonwsgi.config.values.logs import LOG_LEVELS, access_log_format, log_level
from pydaemonwsgi.config.values.names import (
    AUTO,
    GROUP_TITLE,
    INTERPRETERS,
    PROCESSES,
    account_name,
    account_names,
    callable_name,
    choice,
    defined_names,
    group_title,
    is_callable_name,
    locale_name,
    process_title,
    server_name,
)
from pydaemonwsgi.config.values.numbers import duration, octal_mask, size, whole_number
from pydaemonwsgi.config.values.paths import absolute_directory, directories, file_name, mount_point

__all__ = [
    "AUTO",
    "GROUP_TITLE",
    "INTERPRETERS",
    "LOG_LEVELS",
    "PROCESSES",
    "BadValueError",
    "ListenAddress",
    "ValueKind",
    "absolute_directory",
    "access_log_format",
    "account_name",
    "account_names",
    "callable_name",
    "choice",
    "defined_names",
    "directories",
    "duration",
    "file_name",
    "group_title",
    "host_name",
    "is_callable_name",
    "listen_address",
    "locale_name",
    "log_level",
    "mount_point",
    "octal_mask",
    "process_title",
    "server_name",
    "size",
    "whole_number",
]
