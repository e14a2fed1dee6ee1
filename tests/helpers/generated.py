"""Messages with arbitrary values in every field, generated from their types, so that a new field is tested at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

M = TypeVar("M", bound=msgspec.Struct)

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
TIMES = st.datetimes(timezones=st.just(UTC))


def generated(
    message: type[M], *, texts: st.SearchStrategy[str] = TEXTS, times: st.SearchStrategy[datetime] = TIMES
) -> st.SearchStrategy[M]:
    """Return a strategy for messages of a type, which takes their texts and times from the given strategies."""

    def values(kind: inspect.Type) -> st.SearchStrategy[Any]:
        match kind:
            case inspect.StructType():
                return st.builds(kind.cls, **{field.name: values(field.type) for field in kind.fields})
            case inspect.UnionType():
                return st.one_of(*map(values, kind.types))
            case inspect.VarTupleType():
                return st.lists(values(kind.item_type), max_size=3).map(tuple)
            case inspect.DictType():
                return st.dictionaries(values(kind.key_type), values(kind.value_type), max_size=3)
            case inspect.LiteralType():
                return st.sampled_from(kind.values)
            case inspect.StrType(pattern=str() as pattern):
                return st.from_regex(pattern, fullmatch=True, alphabet="aZ-_.é🐕").filter(lambda text: len(text) < 50)
            case inspect.StrType():
                return texts.filter(bool) if kind.min_length else texts
            case inspect.IntType():
                return st.integers(kind.ge, kind.le)
            case inspect.FloatType():
                return st.floats(kind.ge, kind.le)
            case inspect.DateTimeType():
                return times
            case inspect.BoolType():
                return st.booleans()
            case inspect.NoneType():
                return st.none()
        raise NotImplementedError(kind)

    return values(inspect.type_info(message))


def fields_of(kind: inspect.Type, path: str) -> Iterator[tuple[str, inspect.Type]]:
    """Yield the path and type of each plain value in a message; `[]` stands for each element of a tuple of messages."""
    match kind:
        case inspect.StructType():
            for field in kind.fields:
                yield from fields_of(field.type, f"{path}.{field.name}")
        case inspect.VarTupleType(item_type=inspect.StructType()):
            yield from fields_of(kind.item_type, f"{path}[]")
        case _:
            yield path, kind
