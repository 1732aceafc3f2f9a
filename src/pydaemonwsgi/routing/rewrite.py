"""The rewriting engine: rules of one context applied to one path. Sans-I/O.

Theory of operation. A context's rules are walked from top to bottom; each has a pattern, matched with the path as
the rules before it have left it, and conditions, asked only when the pattern matched. A rule that applies replaces
path and perhaps query; its flags say how the walk goes on (L and END stop it, N begins anew, S and C skip). What is
done with the outcome (a redirect, a file, another URL) is the hooks' affair, in `translation` and `fixups`, for it
differs between server and directory context. Order of steps within a rule: pattern, conditions, substitution,
E= and CO=, query, prefix, redirect: httpd's.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from pydaemonwsgi.config.model import Position, Rewrite
from pydaemonwsgi.errors import OvertimeError
from pydaemonwsgi.routing.conditions import Condition
from pydaemonwsgi.routing.maps import NO_MAPS, Maps
from pydaemonwsgi.routing.paths import absolute_prefix
from pydaemonwsgi.routing.request import Request
from pydaemonwsgi.routing.rules import Rule
from pydaemonwsgi.routing.templates import RewriteState

__all__ = ["Program", "Rewritten", "compile_rewrite"]

# A path that grows beyond this is a loop (httpd: twice LimitRequestLine).
_LONGEST: Final = 2 * 8190
_ENCODED_QUESTION_MARK: Final = (
    "a question mark that the client has encoded would become a separator (flag UnsafeAllow3F)"
)
_CONTROLS: Final = re.compile(r"[\x00-\x20\x7f]")


@dataclass(frozen=True, slots=True)
class Rewritten:
    """What the rules of a context made of a path.

    Attributes:
        path: a path, a file or an absolute URL.
        status: of a redirect, or of an answer without body (403, 410, 500 …); 0 if there is none.
        redirects: `path` is where to send the client with `status`.
        passed_through: flag PT: `path` is a URL path that the aliases are to see.
        escapes: the URL of a redirect is still to be escaped (no NE).
        may_be_file: in server context, the path may be one of the file system: the rule writes how it begins, not
            the client (CVE-2024-38475).
        escaped: a rule with flag B has put escapes into it.
        reason: of an answer without body: the rule, and what is wrong with what it does.
    """

    path: str
    status: int = 0
    redirects: bool = False
    passed_through: bool = False
    escapes: bool = True
    may_be_file: bool = True
    escaped: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Program:
    """The rules of one context.

    Attributes:
        prefix: in directory context the directory with a slash at its end, cut off before matching; None otherwise.
        base: RewriteBase.
        beginnings: one of these is how a path begins that any of the rules is for; None if that cannot be told.
    """

    rules: tuple[Rule, ...]
    prefix: str | None
    base: str | None
    position: Position
    beginnings: tuple[str, ...] | None

    def run(self, request: Request, *, directory_context: bool) -> Rewritten | None:
        """Apply the rules to the request's filename; return None if none of them changed it.

        The request's query, environment, headers to add, handler and content type are changed in place.
        """
        if self._passes_over(request, directory_context=directory_context):
            return None
        state = RewriteState(request, request.filename)
        rules = self.rules
        index = rounds = status = 0
        changed = False
        escapes = True
        last: Rule | None = None
        escaped = False
        rule: Rule | None
        while index < len(rules):
            rule = rules[index]
            index += 1
            if request.is_subrequest and (rule.not_for_subrequests or rule.is_redirect):
                continue
            try:
                match = self._matches(rule, state, directory_context=directory_context)
            except OvertimeError as error:
                raise OvertimeError(rule.named(str(error))) from error
            if match is None:
                while rules[index - 1].chained and index < len(rules):
                    index += 1
                continue
            if request.trace is not None:
                request.trace.note("rewrite", rule.applied(match), rule.source.position)
            problem = self._apply(rule, state, directory_context=directory_context)
            if problem:
                return Rewritten(state.filename, problem, reason=rule.named(_ENCODED_QUESTION_MARK))
            if rule.ends:
                request.ended = True
            if len(state.filename) > _LONGEST:
                return Rewritten(state.filename, 500, reason=rule.named(f"the path is longer than {_LONGEST}"))
            if rule.only_status:
                return Rewritten(state.filename, rule.only_status, reason=rule.named())
            if rule.substitution is not None:
                changed, escapes = True, rule.escapes_redirect
                status = rule.status or 302
                last = rule
                escaped = escaped or rule.escape is not None
            if rule.passes_through:
                break
            if rule.last:
                break
            if rule.rounds:
                rounds += 1
                if rounds >= rule.rounds:
                    reason = rule.named("flag N of a rule has begun anew too often")
                    return Rewritten(state.filename, 500, reason=reason)
                index = 0
                continue
            index += rule.skip
        else:
            rule = None
        if not changed:
            return None
        path = state.filename
        if absolute_prefix(path):
            redirecting = "" if last is None else last.named()
            return Rewritten(path, status, redirects=True, escapes=escapes, reason=redirecting)
        passed = rule is not None and rule.passes_through
        if request.query_is_new and request.query is not None and _CONTROLS.search(request.query):
            # It could split a header or a log line.
            return Rewritten(path, 403, reason="rules have put control characters into the query")
        return Rewritten(
            path, passed_through=passed, may_be_file=last is not None and last.may_be_file, escaped=escaped
        )

    def is_none_for(self, path: str) -> bool:
        """Whether no rule in server context is for a path; only of use where `beginnings` are known."""
        return self.beginnings is not None and not path.startswith(self.beginnings)

    def _passes_over(self, request: Request, *, directory_context: bool) -> bool:
        """Whether no pattern can match, as the beginnings of all of them tell; what dozens of old addresses cost."""
        beginnings = self.beginnings
        if beginnings is None:
            return False
        return not self._subject(request.filename, request, directory_context=directory_context).startswith(beginnings)

    def _subject(self, filename: str, request: Request, *, directory_context: bool) -> str:
        """Return what patterns are compared with."""
        if not directory_context:
            return filename
        subject = filename + request.path_info
        if self.prefix is not None and subject.startswith(self.prefix):
            subject = subject[len(self.prefix) :]
        return subject

    def _matches(self, rule: Rule, state: RewriteState, *, directory_context: bool) -> str | None:
        """Return the text that the rule's pattern and conditions agree with, or None."""
        subject = self._subject(state.filename, state.request, directory_context=directory_context)
        match = rule.search(subject)
        if (match is None) is not rule.negated:
            return None
        state.rule_match = match
        state.condition_match = None
        conditions = iter(rule.conditions)
        varies_by: list[str] = []
        for condition in conditions:
            if condition.holds(state):
                varies_by += condition.varies_by
                # One of a chain of ORs suffices: the rest of the chain is passed over.
                while condition.or_next:
                    following = next(conditions, None)
                    if following is None:
                        break
                    condition = following  # noqa: PLW2901 - the chain is one condition
            elif not condition.or_next:
                if state.request.trace is not None:
                    _note_failed(state, rule, condition, subject)
                return None
        if varies_by:
            request = state.request
            request.vary += [name for name in varies_by if name not in request.vary and request.header(name.lower())]
        return subject

    def _apply(self, rule: Rule, state: RewriteState, *, directory_context: bool) -> int:
        """Carry the rule out; return a status to answer at once, or 0."""
        request = state.request
        path = None
        if rule.substitution is not None and not rule.only_status:
            state.escape_reference = rule.escape
            state.has_decoded = False
            path = rule.substitution.expand(state)
            state.escape_reference = None
        for name, value in rule.environment:
            if value is None:
                request.environment.pop(name, None)
            else:
                request.environment[name] = value.expand(state)
        for cookie in rule.cookies:
            request.added_headers.append(("Set-Cookie", _cookie(cookie.expand(state), request)))
        if rule.handler is not None:
            request.handler = rule.handler.expand(state).lower()
        if rule.media_type is not None:
            request.content_type = rule.media_type.expand(state)
        if path is None:
            return 0
        if (
            "?" in path
            and not rule.allows_question_mark
            and (state.has_decoded or b"%3f" in request.facts.path.lower())
        ):
            # A question mark that the client had encoded may not become a separator (CVE-2024-38474).
            return 403
        if directory_context and rule.discards_path_info:
            request.path_info = ""
        path = self._split_query(rule, request, path)
        if not path.startswith("/") and not absolute_prefix(path):
            path = (self.prefix or "/") + path
        if rule.is_redirect:
            if not absolute_prefix(path):
                path = request.url(path)
        else:
            path = _reduced(path, request)
        state.filename = path
        return 0

    @staticmethod
    def _split_query(rule: Rule, request: Request, path: str) -> str:
        """Take the query off the path; without one the request keeps its own."""
        if rule.query_discards:
            request.query, request.query_is_new = None, True
        scheme = path[: absolute_prefix(path)].lower()
        if scheme in {"mailto:", "news:", "nntp:", "unix:"}:
            return path
        position = path.rfind("?") if rule.query_last else path.find("?")
        if position < 0:
            return path
        query = path[position + 1 :]
        if rule.query_appends:
            original = request.query_string()
            if original:
                query = f"{query}&{original}"
        query = query.removesuffix("&")
        request.query = query or None
        request.query_is_new = True
        return path[:position]


def _note_failed(state: RewriteState, rule: Rule, condition: Condition, subject: str) -> None:
    trace = state.request.trace
    assert trace is not None
    source = condition.source
    text = f"{subject!r} fits {rule.source.pattern}, but {condition.test.expand(state)!r} ({source.test}) does not fit"
    trace.note("rewrite", f"{text} {'!' if source.negated else ''}{source.pattern}", source.position)


def _reduced(path: str, request: Request) -> str:
    """Return the path of an absolute URL that names this very host, or `path` as it is."""
    begin = absolute_prefix(path)
    scheme = path[:begin].lower()
    if scheme not in {"http://", "https://"} or scheme[:-3] != request.fact("scheme"):
        return path
    slash = path.find("/", begin)
    authority = path[begin:] if slash < 0 else path[begin:slash]
    name, _, port = authority.partition(":")
    standard = 443 if scheme == "https://" else 80
    if not request.site.is_reached_as(name.lower(), int(port) if port.isdecimal() else standard):
        return path
    return "/" if slash < 0 else path[slash:]


def _cookie(text: str, request: Request) -> str:
    """Return the Set-Cookie value of `NAME:VALUE:DOMAIN[:minutes[:path[:secure[:httponly[:samesite]]]]]`."""
    separator = ":"
    if text.startswith(";"):
        separator, text = ";", text[1:]
    name, value, domain, *rest = [*text.split(separator), "", ""]
    minutes, path, secure, http_only, same_site = [*rest, "", "", "", "", ""][:5]
    cookie = f"{name}={value}; path={path or '/'}; domain={domain}"
    if minutes.isdecimal() and int(minutes):
        request.consulted.add("now")
        moment = datetime.fromtimestamp(request.facts.now + 60 * int(minutes), UTC)
        cookie += f"; expires={format_datetime(moment, usegmt=True)}"
    elif minutes.startswith("-"):
        cookie += "; expires=Thu, 01 Jan 1970 00:00:00 GMT"
    if secure.lower() in {"secure", "true", "1"}:
        cookie += "; secure"
    if http_only.lower() in {"httponly", "true", "1"}:
        cookie += "; HttpOnly"
    if same_site and same_site.lower() not in {"false", "0"}:
        cookie += f"; SameSite={same_site}"
    return cookie


def compile_rewrite(rewrite: Rewrite | None, maps: Maps = NO_MAPS) -> Program | None:
    """Return the program of a context; None where the engine is off or no rule is there.

    Raises:
        ConfigurationError: a rule is wrong; the message begins with the place.
    """
    if rewrite is None or not rewrite.engine or not rewrite.rules:
        return None
    prefix = rewrite.directory
    if prefix is not None and not prefix.endswith("/"):
        prefix += "/"
    rules = tuple(Rule(rule, maps) for rule in rewrite.rules)
    found = [rule.beginning for rule in rules]
    beginnings = tuple(beginning for beginning in found if beginning is not None)
    known = beginnings if len(beginnings) == len(rules) else None
    return Program(rules, prefix, rewrite.base, rewrite.position, known)
