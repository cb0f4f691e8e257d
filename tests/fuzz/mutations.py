"""What may become of a file: seeded, so that a number names a case for ever."""

from __future__ import annotations

import copy
import json
import pickle
import struct
import zipfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from pathlib import Path

__all__ = ["HOSTILE_VALUES", "mutate"]

HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63, 2**64, 10**400, -(10**30), 0.5, 1e308, 1e-308,
    float("nan"), float("inf"), "", "x", "nan", "-1", "é\x1b[2J\u202e", "a" * 300,
    "../../etc/passwd", "\ud800", [], [[]], {}, {"": {}},
    [1, 2, 3], ["x"] * 1000, [None], {"format": "napari-unet run"},
)  # fmt: skip

TEXTS = (".json", ".jsonl", ".zattrs", ".zgroup", ".zarray", ".toml")


def mutate(file: Path, draw: random.Random, others: list[Path]) -> str:
    """Change a file in place; return in words what was done."""
    ways = [_flip, _flip, _cut, _insert, _zero, _repeat, _swap, _empty, _patch_number]
    if file.suffix in TEXTS or file.name in TEXTS:
        ways = [_json_value] * 12 + [_json_drop] * 3 + ways
    if file.suffix == ".safetensors":
        ways = [_safetensors_value] * 10 + ways
    if file.suffix == ".pt":
        ways = [_state_value] * 10 + [_packed, _pickled] + ways
    way = draw.choice(ways)
    content = file.read_bytes()
    try:
        changed = way(content, draw, others)
    except (ValueError, KeyError, IndexError, TypeError, UnicodeError):
        way, changed = _flip, _flip(content, draw, others)
    file.write_bytes(changed)
    return way.__name__.strip("_")


# --------------------------------------------------------------------------------- bytes


def _flip(content: bytes, draw: random.Random, _others: list[Path]) -> bytes:
    data = bytearray(content or b"\0")
    # Headers decide more than pixels do.
    end = len(data) if draw.random() < 0.5 else min(len(data), 400)
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        data[draw.randrange(end)] = draw.choice((0, 255, draw.randrange(256)))
    return bytes(data)


def _cut(content: bytes, draw: random.Random, _others: list[Path]) -> bytes:
    return content[: draw.randrange(len(content) + 1)]


def _insert(content: bytes, draw: random.Random, _others: list[Path]) -> bytes:
    place = draw.randrange(len(content) + 1)
    return content[:place] + draw.randbytes(draw.choice((1, 7, 300))) + content[place:]


def _zero(content: bytes, draw: random.Random, _others: list[Path]) -> bytes:
    place = draw.randrange(len(content) + 1)
    length = draw.choice((4, 64, 4096))
    return content[:place] + bytes(min(length, len(content) - place)) + content[place + length :]


def _repeat(content: bytes, draw: random.Random, _others: list[Path]) -> bytes:
    return content * draw.choice((2, 3))


def _swap(_content: bytes, draw: random.Random, others: list[Path]) -> bytes:
    return draw.choice(others).read_bytes()


def _empty(_content: bytes, draw: random.Random, _others: list[Path]) -> bytes:
    return draw.choice((b"", b"\0", b"\n", b"null", b"[]", b"{}", b"[" * 50_000, b"\xff\xfe"))


def _patch_number(content: bytes, draw: random.Random, _others: list[Path]) -> bytes:
    """Put an extreme number where a header may have one."""
    form = draw.choice(("<H", "<I", "<Q", ">I", "<d"))
    value = {"<H": 65535, "<I": 2**32 - 1, "<Q": 2**63, ">I": 2**31, "<d": 1e300}[form]
    number = struct.pack(form, draw.choice((value, 0)))
    place = draw.randrange(max(1, min(len(content), 2000) - len(number)))
    return content[:place] + number + content[place + len(number) :]


# --------------------------------------------------------------------------------- values


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    found = [path] if path else []
    for key, item in items:
        found += _places(item, (*path, key))
    return found


def _changed(value: Any, draw: random.Random, *, drop: bool = False) -> Any:
    value = copy.deepcopy(value)
    path = draw.choice(_places(value))
    inner = value
    for key in path[:-1]:
        inner = inner[key]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = draw.choice(HOSTILE_VALUES)
    return value


def _json_value(
    content: bytes, draw: random.Random, _others: list[Path], *, drop: bool = False
) -> bytes:
    lines = content.decode().splitlines()
    try:
        return json.dumps(_changed(json.loads(content), draw, drop=drop)).encode()
    except json.JSONDecodeError:  # one value a line
        k = draw.randrange(len(lines))
        lines[k] = json.dumps(_changed(json.loads(lines[k]), draw, drop=drop))
        return ("\n".join(lines) + "\n").encode()


def _json_drop(content: bytes, draw: random.Random, others: list[Path]) -> bytes:
    return _json_value(content, draw, others, drop=True)


def _safetensors_value(content: bytes, draw: random.Random, _others: list[Path]) -> bytes:
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    if draw.random() < 0.8:
        described = json.loads(header["__metadata__"]["napari_unet"])
        changed = _changed(described, draw, drop=draw.random() < 0.2)
        header["__metadata__"]["napari_unet"] = json.dumps(changed)
    else:
        header = _changed(header, draw, drop=draw.random() < 0.2)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _state_value(content: bytes, draw: random.Random, _others: list[Path]) -> bytes:
    import io

    import torch

    state = torch.load(io.BytesIO(content), weights_only=True)
    tensors = (
        torch.zeros(0), torch.zeros(1), torch.zeros(3, 3), torch.tensor(float("nan")),
        torch.zeros(2, dtype=torch.int64), torch.zeros(1).expand(10**6, 10**5),
        torch.zeros(2, dtype=torch.complex64),
    )  # fmt: skip
    path = draw.choice(_places(state))
    inner = state
    for key in path[:-1]:
        inner = inner[key]
    if draw.random() < 0.15:
        del inner[path[-1]]
    else:
        inner[path[-1]] = draw.choice((*tensors, *HOSTILE_VALUES))
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def _packed(_content: bytes, draw: random.Random, _others: list[Path]) -> bytes:
    """An archive that unpacks to much more than it has."""
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")
        archive.writestr("archive/data/0", bytes(draw.choice((10**6, 10**8))))
    return buffer.getvalue()


def _pickled(_content: bytes, draw: random.Random, _others: list[Path]) -> bytes:
    """A pickle that would run code, or take memory."""
    import io

    import torch

    value = draw.choice((bytearray(10**6), {"step": _Payload()}, {"a": {1, 2}}, [1] * 1000))
    buffer = io.BytesIO()
    try:
        torch.save(value, buffer, _use_new_zipfile_serialization=draw.random() < 0.7)
    except (pickle.PicklingError, AttributeError):
        return pickle.dumps(value)
    return buffer.getvalue()


class _Payload:
    def __reduce__(self) -> Any:
        return (open, ("payload-was-run", "w"))
