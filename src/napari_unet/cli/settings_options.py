"""The settings of a training as options of a command, made from the fields of `TrainConfig`.

A field of the training is ``--field``, one of the network too; one of the weight map, the
augmentation or the validation is ``--weights-field``, ``--augment-field``, ``--split-field``. So
whatever the docks can set, the command line can, under the name that run.json has for it.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
import tomllib
import types
import typing
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from napari_unet.base.errors import CheckpointError, InputError
from napari_unet.base.regular_files import read_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from napari_unet.config.training import TrainConfig

__all__ = ["Option", "add_settings", "given_settings", "options", "parse", "read_settings", "with_"]

LARGEST_FILE = 1_000_000  # bytes; real ones have a few hundred
OF_THE_DATA = ("network.in_channels", "network.classes")
OF_MODE = ("slices", "region")  # settings of the validation that are for the mode of that name
OWN_FLAG = ("preset",)  # declared by the command, since it is more than a field
GROUPS = {
    "": "settings (by default those of the preset)",
    "network": "network",
    "weights": "weight map",
    "augment": "augmentation",
    "split": "validation",
}


@dataclass(frozen=True)
class Option:
    """A setting as an option.

    Attributes
    ----------
    part
        "" or the field of `TrainConfig` that holds it.
    field
        Its name.
    hint
        Its type.
    help
        What it is.
    """

    part: str
    field: str
    hint: Any
    help: str

    @property
    def flag(self) -> str:
        """Such as ``--weights-w0``."""
        name = self.field if self.part in ("", "network") else f"{self.part}-{self.field}"
        return "--" + name.replace("_", "-")

    @property
    def dest(self) -> str:
        """Such as ``weights.w0``: where it is in run.json."""
        return f"{self.part}.{self.field}" if self.part else self.field


@cache
def options() -> tuple[Option, ...]:
    """Return one option for every field, but for what the data decide."""
    from napari_unet.config.training import TrainConfig

    parts, found = TrainConfig.nested, [*_of_class("", TrainConfig)]
    for part, kind in parts.items():
        found += _of_class(part, kind)
    return tuple(one for one in found if one.dest not in (*parts, *OF_THE_DATA, *OWN_FLAG))


def _of_class(part: str, kind: type[Any]) -> Iterator[Option]:
    hints, described = typing.get_type_hints(kind), _descriptions(kind)
    for one in fields(kind):
        yield Option(part, one.name, hints[one.name], described.get(one.name, ""))


def _descriptions(kind: type[Any]) -> dict[str, str]:
    """Read what the docstring says of every field."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in (inspect.getdoc(kind) or "").splitlines():
        head = re.fullmatch(r"(\w+(?:, \w+)*)(?: : .*)?", line)
        if head:
            names = head[1].split(", ")
        elif line.startswith("    "):
            found |= {name: f"{found.get(name, '')} {line.strip()}".strip() for name in names}
        elif line:
            names = []
    return found


def add_settings(parser: argparse.ArgumentParser, parts: Collection[str] = tuple(GROUPS)) -> None:
    """Declare an option for every setting of some parts; what is not given stays as it is."""
    groups = {part: parser.add_argument_group(GROUPS[part]) for part in parts}
    for one in (option for option in options() if option.part in parts):
        kind: dict[str, Any] = {"metavar": _form(one.hint)}
        if one.hint is bool:
            kind = {"action": argparse.BooleanOptionalAction}
        groups[one.part].add_argument(
            one.flag,
            dest=one.dest,
            default=argparse.SUPPRESS,
            help=one.help.replace("%", "%%").replace("`", ""),
            **kind,
        )
    if "augment" in parts:  # what a weight map alone has no use for
        groups["weights"].add_argument(
            "--no-weight-map", action="store_true", help="weigh all annotated pixels alike"
        )
        groups["augment"].add_argument(
            "--no-augment", action="store_true", help="learn from tiles as they are"
        )


def given_settings(args: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that a command line names, nested as in run.json.

    Raises
    ------
    InputError
        If a value cannot be read, or two options exclude each other.
    """
    from napari_unet.config.augmentation import AugmentConfig

    given: dict[str, Any] = {}
    for one in options():
        if one.dest not in args:
            continue
        value = getattr(args, one.dest)
        if one.hint is not bool:
            value = parse(one.hint, value, one.flag)
        if one.part:
            given.setdefault(one.part, {})[one.field] = value
        else:
            given[one.field] = value
    for flag, part in (("no_weight_map", "weights"), ("no_augment", "augment")):
        if getattr(args, flag, False) and part in given:
            name = f"--{part}-{next(iter(given[part]))}".replace("_", "-")
            raise InputError(f"--{flag.replace('_', '-')} and {name} exclude each other; give one.")
    split = given.get("split", {})
    for name in OF_MODE:
        if split.get(name) and split.get("mode", name) != name:
            raise InputError(
                f"--split-{name} and --split-mode {split['mode']} exclude each other; give one."
            )
    if split and getattr(args, "validate", None) is not None:
        raise InputError(
            f"--validate and --split-{next(iter(split))} exclude each other; give one."
        )
    if getattr(args, "no_weight_map", False):
        given["weights"] = None
    if getattr(args, "no_augment", False):
        given["augment"] = AugmentConfig.none().to_dict()
    return given


def with_(config: TrainConfig, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a configuration with some of them changed, nested ones one by one.

    Parameters
    ----------
    config
        The settings.
    changes
        As in run.json; what is not named stays. "none" stands for no value, which TOML lacks.
        Another formula of the weight map begins with its own numbers, as in the docks, and whoever
        names slices or a region validates on them.

    Raises
    ------
    InputError
        If both slices and a region are to validate.
    """
    content = config.to_dict()
    for name, value in changes.items():
        if name in config.nested and isinstance(value, dict):
            before = content[name] or config.nested[name]().to_dict()
            new = {k: _or_nothing(f"{name}.{k}", v) for k, v in value.items()}
            if name == "weights" and new.get("preset", before["preset"]) != before["preset"]:
                before = config.nested[name]().to_dict() | {"balance": before["balance"]}
            content[name] = before | _mode_of(new) | new if name == "split" else before | new
        else:
            content[name] = _or_nothing(name, value)
    return content


def _mode_of(split: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mode that a choice of slices or of a region stands for."""
    named = [] if "mode" in split else [mode for mode in OF_MODE if split.get(mode)]
    if len(named) > 1:
        raise InputError("slices and a region to validate exclude each other; give one.")
    return {"mode": named[0]} if named else {}


def _or_nothing(dest: str, value: Any) -> Any:
    """Take "none" for no value, where a field may have none."""
    nullable = {one.dest for one in options() if type(None) in _alternatives(one.hint)}
    return None if value == "none" and dest in {"weights", *nullable} else value


def read_settings(file: Path) -> dict[str, Any]:
    """Read settings from a TOML or JSON file.

    Raises
    ------
    InputError
        If it cannot be read, or holds anything but a table of settings.
    """
    try:
        text = read_text(file, "file of settings", LARGEST_FILE)
        found = tomllib.loads(text) if file.suffix.lower() == ".toml" else json.loads(text)
    except (CheckpointError, ValueError, RecursionError) as error:
        raise InputError(
            f"expected a TOML or JSON file of settings, but {file} cannot be read ({error}): "
            "napari-unet info RUN --config prints one."
        ) from error
    if isinstance(found, dict) and "config" in found and "format" in found:
        raise InputError(
            f"expected settings by name in {file}, got the description of a run, which holds more: "
            "say --like with its folder, or give what napari-unet info RUN --config prints."
        )
    if not isinstance(found, dict):
        raise InputError(f"expected settings by name in {file}, got a {type(found).__name__}.")
    return found


def parse(hint: Any, text: str, flag: str) -> Any:
    """Read a value of a type: "0.8,1.25" as tuple[float, float], "none" as None.

    Raises
    ------
    InputError
        If the text is none of what the type allows.
    """
    for kind in _alternatives(hint):
        try:
            return _parse_one(kind, text)
        except (ValueError, InputError):
            continue
    raise InputError(f"{flag} must be {_form(hint)}, got {text!r}.")


def _parse_one(kind: Any, text: str) -> Any:
    if kind is type(None) and text == "none":
        return None
    if kind is bool and text in ("yes", "no"):
        return text == "yes"
    if kind in (int, float, str):
        return kind(text)
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is Literal and text in arguments:
        return text
    if typing.get_origin(kind) is tuple:
        if arguments == (int, ...):
            from napari_unet.annotation.splits import parse_slices

            return list(parse_slices(text))
        parts = [] if text == "none" else text.split(",")
        if arguments[-1] is ...:
            return [_parse_one(arguments[0], one.strip()) for one in parts]
        if len(parts) == len(arguments):
            return [_parse_one(part, one.strip()) for part, one in zip(arguments, parts)]
    raise ValueError(text)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    is_union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if is_union else (hint,)


def _form(hint: Any) -> str:
    """Return what a value looks like, such as ``none|R,R``."""
    return "|".join(_form_of_one(kind) for kind in _alternatives(hint))


def _form_of_one(kind: Any) -> str:
    plain = {type(None): "none", bool: "yes|no", int: "N", float: "X", str: "TEXT"}
    if kind in plain:
        return plain[kind]
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        return "|".join(arguments)
    if arguments[-1] is ...:
        return "3,24-29" if arguments[0] is int else f"none|{_form_of_one(arguments[0])},…"
    return ",".join(_form_of_one(one) for one in arguments)
