"""`Options MultiViews`: which of `name.*` answers a request for `name`. Sans-I/O.

As mod_negotiation: the candidates are those files of the directory whose every further extension means something
(`MultiviewsMatch NegotiatedOnly`: a handler alone does not); the best quality of type, then language, then charset,
then encoding wins, the smaller file among equals. Nothing acceptable is 406.
"""

from collections.abc import Iterable
from typing import NamedTuple

from pydaemonwsgi.routing.media import Extensions, Media, read_media

__all__ = ["Negotiated", "choose_variant", "negotiate", "parse_accept"]


class Negotiated(NamedTuple):
    """The outcome.

    Attributes:
        name: the chosen file; None if none is acceptable.
        vary: names of the headers that it depends on.
    """

    name: str | None
    vary: tuple[str, ...]


def parse_accept(value: str | None) -> list[tuple[str, float]]:
    """Return the items of an Accept header and their qualities."""
    items = []
    for part in (value or "").split(","):
        name, *parameters = (piece.strip() for piece in part.split(";"))
        if not name:
            continue
        quality = 1.0
        for parameter in parameters:
            key, _, text = parameter.partition("=")
            if key.strip().lower() == "q":
                try:
                    quality = min(max(float(text), 0.0), 1.0)
                except ValueError:
                    quality = 1.0
        items.append((name.lower(), quality))
    return items


def _type_quality(media_type: str | None, accepted: list[tuple[str, float]]) -> float:
    if not accepted:
        return 1.0
    if media_type is None:
        return next((quality for name, quality in accepted if name == "*/*"), 0.0)
    plain = media_type.partition(";")[0].strip().lower()
    main = plain.partition("/")[0] + "/*"
    best = {0: 0.0, 1: 0.0, 2: 0.0}
    seen = set()
    for name, quality in accepted:
        specific = 2 if name == plain else 1 if name == main else 0 if name in {"*/*", "*"} else -1
        if specific >= 0:
            seen.add(specific)
            best[specific] = quality
    if not seen:
        return 0.0
    quality = best[max(seen)]
    # A browser's Accept: wildcards count little when no quality is written at all, as in httpd.
    if max(seen) < 2 and all(one == 1.0 for _, one in accepted):
        quality = 0.02 if max(seen) == 1 else 0.01
    return quality


def _language_quality(languages: tuple[str, ...], accepted: list[tuple[str, float]]) -> float:
    if not accepted:
        return 1.0
    if not languages:
        return 0.5  # better than a language that was not asked for
    best = 0.0
    for language in languages:
        lower = language.lower()
        for name, quality in accepted:
            if name == lower or lower.startswith(name + "-"):
                best = max(best, quality)
            elif name == "*":
                best = max(best, quality * 0.5)
            elif name.startswith(lower + "-"):
                best = max(best, quality * 0.001)
    return best


def _charset_quality(charset: str | None, accepted: list[tuple[str, float]]) -> float:
    if charset is None or not accepted:
        return 1.0
    return _listed(charset.lower(), accepted, 0.0)


def _encoding_quality(encoding: str | None, accepted: list[tuple[str, float]]) -> float:
    if not accepted:
        # Any may be sent then (RFC 9110 section 12.5.3), but none is better.
        return 1.0 if encoding is None else 0.5
    if encoding is None:
        # Acceptable unless it is refused; and who lists others likes them better.
        return _listed("identity", accepted, 0.0001)
    return _listed(encoding.lower().removeprefix("x-"), accepted, 0.0)


def _listed(value: str, accepted: list[tuple[str, float]], default: float) -> float:
    found = next((quality for name, quality in accepted if name.removeprefix("x-") == value), None)
    if found is not None:
        return found
    return next((quality for name, quality in accepted if name == "*"), default)


def _language_rank(languages: tuple[str, ...], priority: tuple[str, ...]) -> int:
    """Return how early `LanguagePriority` names one of the languages: 0 for not at all, the more the earlier."""
    places = [priority.index(language.lower()) for language in languages if language.lower() in priority]
    return len(priority) - min(places) if places else 0


def choose_variant(
    candidates: list[tuple[str, Media, int]],
    headers: dict[str, str | None],
    priority: tuple[str, ...] = (),
    force: frozenset[str] = frozenset(),
) -> Negotiated:
    """Return the best of the candidates.

    Args:
        candidates: name, what it is, bytes.
        headers: `accept`, `accept-language`, `accept-charset`, `accept-encoding`.
        priority: `LanguagePriority`.
        force: `ForceLanguagePriority`: with `prefer` it decides among languages that are equally good, with
            `fallback` where none is good enough.
    """
    types = parse_accept(headers["accept"])
    languages = parse_accept(headers["accept-language"])
    charsets = parse_accept(headers["accept-charset"])
    encodings = parse_accept(headers["accept-encoding"])
    vary = ["negotiate"]
    best: tuple[tuple[float, ...], str] | None = None
    fallback: tuple[tuple[float, ...], str] | None = None
    languages_differ = any(media.languages for _, media, _ in candidates)
    for name, media, size in candidates:
        type_quality = _type_quality(media.media_type, types)
        language_quality = _language_quality(media.languages, languages) if languages_differ else 1.0
        charset_quality = _charset_quality(media.charset, charsets)
        encoding_quality = _encoding_quality(media.encoding, encodings)
        if not (type_quality and charset_quality and encoding_quality):
            continue
        rank = _language_rank(media.languages, priority) if languages_differ else 0
        others = (charset_quality, encoding_quality, -size)
        if languages_differ and not language_quality:
            best_of_none = (rank, type_quality, *others)
            if rank and "fallback" in force and (fallback is None or best_of_none > fallback[0]):
                fallback = (best_of_none, name)
            continue
        key = (type_quality, language_quality, rank if "prefer" in force else 0, *others)
        if best is None or key > best[0]:
            best = (key, name)
    if len({media.media_type for _, media, _ in candidates}) > 1:
        vary.append("accept")
    if languages_differ:
        vary.append("accept-language")
    if len({media.charset for _, media, _ in candidates}) > 1:
        vary.append("accept-charset")
    if any(media.encoding for _, media, _ in candidates):
        vary.append("accept-encoding")
    best = best or fallback
    return Negotiated(best[1] if best is not None else None, tuple(vary))


def negotiate(
    name: str, names: Iterable[str], extensions: Extensions, match: frozenset[str] | None = None
) -> list[tuple[str, Media]]:
    """Return the files of a directory that may stand for `name`.

    Args:
        match: `MultiviewsMatch`: with `handlers` an extension with a handler counts too, with `any` every one.
    """
    match = match or frozenset()
    beginning = name + "."
    found = []
    known = len(name.split("."))
    for candidate in sorted(names):
        if not candidate.startswith(beginning):
            continue
        suffix = candidate[len(beginning) :]
        media = read_media(candidate, extensions)
        further = candidate.lower().split(".")[known:]
        if not suffix:
            continue
        if "any" not in match:
            if any(extension in media.unknown for extension in further):
                continue
            if "handlers" not in match and any(_only_handles(extension, extensions) for extension in further):
                continue
        found.append((candidate, media))
    return found


def _only_handles(extension: str, extensions: Extensions) -> bool:
    configured = extensions.get(extension)
    return configured is not None and set(configured) == {"handler"}
