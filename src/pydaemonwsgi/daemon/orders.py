"""Settings as text, to cross an exec: JSON of plain dataclasses, whatever fields they have. Sans-I/O."""

import dataclasses
import json
import types
import typing
from enum import Enum
from typing import Any, TypeVar

__all__ = ["decode", "encode"]

Orders = TypeVar("Orders")


def encode(orders: Any) -> bytes:
    """Return a dataclass as JSON; names of files that are not UTF-8 are kept (surrogates)."""
    return json.dumps(_plain(orders)).encode("ascii")


def decode(kind: type[Orders], data: bytes) -> Orders:
    """Return what was encoded, a `kind`.

    Raises:
        ValueError: this is no `kind`, or one of another version: the message names the field.
    """
    result: Orders = _typed(kind, json.loads(data), kind.__name__)
    return result


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise TypeError(f"{type(value).__name__} cannot cross an exec")


def _typed(kind: Any, value: Any, where: str) -> Any:
    """Return `value` as the type that an annotation says."""
    origin = typing.get_origin(kind)
    if origin in {typing.Union, types.UnionType}:
        return _one_of(typing.get_args(kind), value, where)
    if origin is tuple and isinstance(value, list):
        return _tuple(typing.get_args(kind), value, where)
    if origin is dict and isinstance(value, dict):
        of = typing.get_args(kind)[1]
        return {name: _typed(of, one, f"{where}.{name}") for name, one in value.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
        return _dataclass(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind(value)
    if kind is float and type(value) is int:
        return float(value)
    if kind in {str, int, float, bool, types.NoneType} and type(value) is kind:
        return value
    raise ValueError(f"{where} is {value!r:.80}, not {getattr(kind, '__name__', kind)}")


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    for kind in kinds:
        try:
            return _typed(kind, value, where)
        except ValueError:
            continue
    raise ValueError(f"{where} is {value!r:.80}, none of {', '.join(getattr(kind, '__name__', '?') for kind in kinds)}")


def _tuple(kinds: tuple[Any, ...], value: list[Any], where: str) -> tuple[Any, ...]:
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ValueError(f"{where} has {len(value)} entries, not {len(kinds)}")
    return tuple(_typed(kind, one, f"{where}[{at}]") for at, (kind, one) in enumerate(zip(kinds, value, strict=True)))


def _dataclass(kind: type[Any], value: dict[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    known = {one.name for one in dataclasses.fields(kind)}
    if value.keys() != known:
        raise ValueError(f"{where} has other fields than it should: {', '.join(sorted(value.keys() ^ known))}")
    return kind(**{name: _typed(hints[name], one, f"{where}.{name}") for name, one in value.items()})
