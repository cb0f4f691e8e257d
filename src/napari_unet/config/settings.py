"""Settings that are written as plain JSON and read back, with a word for what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

from napari_unet.base.errors import InputError
from napari_unet.base.records import RecordError, record_from

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Settings", "is_number"]


class Settings:
    """Base of frozen dataclasses that validate themselves on construction.

    Attributes
    ----------
    described_as : str
        What the user calls them, for errors.
    nested : dict
        Fields that hold settings themselves, and of which kind.
    """

    described_as: ClassVar[str] = "the settings"
    nested: ClassVar[Mapping[str, type[Settings]]] = {}
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; tuples become lists."""
        return {name: _plain(getattr(self, name)) for name in _names(type(self))}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Self:
        """Return the settings that ``to_dict`` wrote, with those nested in them.

        Raises
        ------
        InputError
            If a field is unknown, or its value is of another type or not allowed.
        """
        try:
            return record_from(cls, dict(plain))
        except (RecordError, TypeError, ValueError) as error:
            raise InputError(f"{cls.described_as} cannot be used: {error}.") from None

    def changed(self, **changes: Any) -> Self:
        """Return these settings with other values.

        Parameters
        ----------
        **changes
            New values by field; a mapping changes fields of the settings held there, such as
            ``augment={"noise": 0.1}``.

        Raises
        ------
        InputError
            If a field is unknown, or its value is of another type or not allowed.
        """
        unknown = sorted(set(changes) - set(_names(type(self))))
        if unknown:
            raise InputError(f"{self.described_as} have no field {unknown[0]!r}: remove it.")
        for name, value in changes.items():
            if name in self.nested and isinstance(value, Mapping):
                held = getattr(self, name) or self.nested[name]()
                changes[name] = held.changed(**value)
        return self.from_dict(
            self.to_dict() | {name: _plain(value) for name, value in changes.items()}
        )


def is_number(value: object) -> bool:
    """Tell whether a value is a real number, numpy's included, and no truth value."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _names(kind: type[Settings]) -> list[str]:
    return [one.name for one in fields(kind)]  # type: ignore[arg-type]


def _plain(value: Any) -> Any:
    if isinstance(value, Settings):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value
