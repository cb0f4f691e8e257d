"""Settings that are written as plain JSON and read back, with a word for what is wrong."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar

from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

__all__ = ["Settings"]


class Settings:
    """Base of frozen dataclasses that validate themselves on construction.

    Attributes
    ----------
    described_as : str
        What the user calls them, for errors.
    """

    described_as: ClassVar[str] = "the settings"

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; tuples become lists."""
        return {one.name: _plain(getattr(self, one.name)) for one in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the settings that ``to_dict`` wrote.

        Raises
        ------
        InputError
            If a field is unknown or its value is not allowed.
        """
        unknown = sorted(set(plain) - {one.name for one in fields(cls)})  # type: ignore[arg-type]
        if unknown:
            raise InputError(f"{cls.described_as} have no field {unknown[0]!r}: remove it.")
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()})


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value
