"""Typed reading of JSON that anybody may have written: a value of the type, or its first fault.

pydantic validates: it is well kept, takes our dataclasses as they are, and napari brings it.
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from pydantic import TypeAdapter

__all__ = ["RecordError", "record_from", "record_of", "record_of_objects"]

T = TypeVar("T")

LONGEST = 60  # characters of a wrong value that are shown

SHOULD_BE = "Input should be "
KIND = re.compile(r"bool|int|float|str|none|\w+\[.*\]")  # what pydantic calls one of several types


class RecordError(ValueError):
    """Content does not have the type that was expected; says which field, and what came."""


def record_of(kind: type[T], content: bytes | str) -> T:
    """Return JSON as a value of a type, without any conversion beyond what JSON lacks.

    Parameters
    ----------
    kind
        A dataclass, a typed dict, a `dict[...]` … of types that JSON has, and tuples. A whole
        number stands for a number with a fraction; nothing else stands for anything else.
    content
        The JSON text.

    Raises
    ------
    RecordError
        The text is no JSON, or a field is missing, unknown (where the type forbids it) or of
        another type; the first such field is named.
    UNetError
        What a dataclass itself raises on values that contradict one another.
    """
    from pydantic import ValidationError  # help and forms need none

    try:
        value: T = _adapter(cast("Any", kind)).validate_json(content, strict=True)
    except ValidationError as error:
        raise RecordError(_first_fault(error)) from None
    except OverflowError as error:  # a whole number that is no number with a fraction any more
        raise RecordError(str(error)) from None
    return value


def record_from(kind: type[T], plain: object) -> T:
    """Return plain values, as JSON would hold them, as a value of a type; see `record_of`."""
    try:
        return record_of(kind, json.dumps(plain, default=_item))
    except (TypeError, RecursionError) as error:
        raise RecordError(str(error)) from None


def record_of_objects(kind: type[T], value: object) -> T:
    """Return a value that is more than JSON, such as tensors, as one of a type; no conversion.

    Raises
    ------
    RecordError
        See `record_of`.
    """
    from pydantic import ValidationError

    try:
        result: T = _adapter(cast("Any", kind)).validate_python(value, strict=True)
    except ValidationError as error:
        raise RecordError(_first_fault(error)) from None
    except OverflowError as error:  # a whole number that is no number with a fraction any more
        raise RecordError(str(error)) from None
    return result


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _first_fault(error: Any) -> str:
    faults = error.errors(include_url=False, include_context=False)
    first, place, alternatives = _of_several_types(faults)
    field = ".".join(str(part) for part in place)
    said = first["msg"].replace("Input should", "should").replace("Field required", "is missing")
    said = said.replace("Invalid JSON", "is invalid JSON")
    if alternatives:
        said = f"should be {', '.join(alternatives[:-1])} or {alternatives[-1]}"
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"no field {field!r} is known: remove it"
    if first["type"] in ("missing", "json_invalid"):
        return f"{field or 'it'} {said[0].lower()}{said[1:]}"
    shown = " ".join(repr(first["input"]).split())
    shown = shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
    return f"{field or 'it'} {said[0].lower()}{said[1:]}, got {shown}"


def _of_several_types(faults: list[Any]) -> tuple[Any, list[Any], list[str]]:
    """Return the first fault, its field, and what that may be if it is one of several types."""
    first = faults[0]
    *place, kind = first["loc"] or ("",)
    if not isinstance(kind, str) or not KIND.fullmatch(kind):
        return first, list(first["loc"]), []
    n = len(place)
    alike = [one for one in faults if list(one["loc"][:n]) == place]
    for one in alike:  # nearly of one of the types, such as a list with a wrong item
        if len(one["loc"]) > n + 1 or not one["msg"].startswith(SHOULD_BE):
            return one, place + list(one["loc"][n + 1 :]), []
    return first, place, [one["msg"].removeprefix(SHOULD_BE) for one in alike]


def _item(value: Any) -> Any:
    """Return numbers and arrays of NumPy's, and ranges, as Python's numbers and lists."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, range):
        return list(value)
    raise TypeError(f"a {type(value).__name__} is no plain value")
