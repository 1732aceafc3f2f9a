"""The model: what the server is to do, as frozen values with the place where each was written. Sans-I/O.

A configuration file and a command line both become one `Server`; nothing behind it knows directives. Regular
expressions, forms such as `%{ENV:NAME}` and format strings stay text here, checked by the builder.
"""

from pydaemonwsgi.config.model.access import (
    AccessList,
    AccessRule,
    Combination,
    Methods,
    Order,
    Require,
    RequireBlock,
)
from pydaemonwsgi.config.model.hosts import (
    AccessLog,
    Alias,
    Connection,
    Host,
    HostAddress,
    LogTarget,
    LogTargetKind,
    Matching,
    ScriptAlias,
    Section,
    SectionKind,
)
from pydaemonwsgi.config.model.position import NOWHERE, Position
from pydaemonwsgi.config.model.rewriting import Rewrite, RewriteCondition, RewriteFlag, RewriteRule
from pydaemonwsgi.config.model.server import (
    EMBEDDED,
    ImportScript,
    InterpreterOptions,
    Listener,
    ProcessGroup,
    Python,
    Server,
)
from pydaemonwsgi.config.model.settings import (
    DEFAULT_SETTINGS,
    EnvironmentCondition,
    EnvironmentVariable,
    ErrorDocument,
    ExtensionRule,
    HandlerScript,
    HeaderRule,
    Options,
    Redirect,
    Script,
    Settings,
    merge_settings,
)

__all__ = [
    "DEFAULT_SETTINGS",
    "EMBEDDED",
    "NOWHERE",
    "AccessList",
    "AccessLog",
    "AccessRule",
    "Alias",
    "Combination",
    "Connection",
    "EnvironmentCondition",
    "EnvironmentVariable",
    "ErrorDocument",
    "ExtensionRule",
    "HandlerScript",
    "HeaderRule",
    "Host",
    "HostAddress",
    "ImportScript",
    "InterpreterOptions",
    "Listener",
    "LogTarget",
    "LogTargetKind",
    "Matching",
    "Methods",
    "Options",
    "Order",
    "Position",
    "ProcessGroup",
    "Python",
    "Redirect",
    "Require",
    "RequireBlock",
    "Rewrite",
    "RewriteCondition",
    "RewriteFlag",
    "RewriteRule",
    "Script",
    "ScriptAlias",
    "Section",
    "SectionKind",
    "Server",
    "Settings",
    "merge_settings",
]
