"""Units of length and time: one table of every name they go by, and lengths brought together."""

from __future__ import annotations

from unicodedata import normalize

__all__ = ["METRES", "SECONDS", "SYMBOLS", "canonical_unit", "pixel_in_words", "ratio"]

METRES = {
    "picometer": 1e-12,
    "angstrom": 1e-10,
    "nanometer": 1e-9,
    "micrometer": 1e-6,
    "millimeter": 1e-3,
    "centimeter": 1e-2,
    "decimeter": 1e-1,
    "inch": 0.0254,
    "foot": 0.3048,
    "meter": 1.0,
}
"""Units of length by their names in OME-Zarr and napari."""

SECONDS = {
    "nanosecond": 1e-9,
    "microsecond": 1e-6,
    "millisecond": 1e-3,
    "second": 1.0,
    "minute": 60.0,
    "hour": 3600.0,
    "day": 86400.0,
}
"""Units of time, likewise."""

SYMBOLS = {
    "picometer": "pm",
    "angstrom": "Å",
    "nanometer": "nm",
    "micrometer": "µm",
    "millimeter": "mm",
    "centimeter": "cm",
    "decimeter": "dm",
    "inch": "in",
    "foot": "ft",
    "meter": "m",
    "pixel": "pixel",
}
"""Units of length, and the pixel, as OME writes them."""

_OTHER_NAMES = {
    "picometer": "pm",
    "angstrom": "å a ang angstroem angström ångström ångstrom",
    "nanometer": "nm",
    "micrometer": "µm um micron mu µ micra mikrometer mikron \\u00b5m \\u03bcm &micro;m",
    "millimeter": "mm",
    "centimeter": "cm",
    "decimeter": "dm",
    "inch": 'in inches "',
    "foot": "ft feet",
    "meter": "m",
    "nanosecond": "ns nsec",
    "microsecond": "µs us µsec usec",
    "millisecond": "ms msec",
    "second": "s sec",
    "minute": "min",
    "hour": "h hr",
    "day": "d",
    "pixel": "px pix voxel",
}


def _spellings() -> dict[str, str]:
    table = {}
    for name, others in _OTHER_NAMES.items():
        long = [name, name.removesuffix("er") + "re"] if name.endswith("meter") else [name]
        for one in (*long, *others.split()):
            table[_folded(one)] = name
            if len(one) > 3:
                table[_folded(one) + "s"] = name
    return table


def _folded(text: str) -> str:
    """Without differences of case, of white space, and of the two letters mu."""
    return "".join(normalize("NFKC", text).casefold().replace("μ", "µ").split())


_TABLE = _spellings()


def canonical_unit(text: object) -> str | None:
    """Return the one name of a unit that files and people write in many ways.

    Parameters
    ----------
    text
        Such as "µm", "um", "microns", "Micrometre" or "px"; "" is a pixel.

    Returns
    -------
    str or None
        A key of `METRES` or `SECONDS`, or "pixel"; None where it is none of these.
    """
    folded = _folded(str(text))
    return "pixel" if folded in ("", "none") else _TABLE.get(folded)


def ratio(unit: str, other: str) -> float | None:
    """How many of the other unit one unit is: 1000 nanometer to 1 micrometer.

    Parameters
    ----------
    unit, other
        Such as "nanometer", "nm" or "pixel".

    Returns
    -------
    float or None
        None where they cannot be compared, such as pixels with micrometers.
    """
    one, two = canonical_unit(unit) or unit, canonical_unit(other) or other
    if one == two:
        return 1.0
    if one not in METRES or two not in METRES:
        return None
    return METRES[one] / METRES[two]


def pixel_in_words(sides: tuple[float, float], unit: str) -> str:
    """Say the height and width of a pixel: "0.5 µm", and "0.5 × 0.25 µm" where it is no square.

    Parameters
    ----------
    sides
        Along y and x.
    unit
        Such as "micrometer".
    """
    different = dict.fromkeys(f"{side:.4g}" for side in sides)
    return f"{' × '.join(different)} {SYMBOLS.get(unit, unit)}"
