"""Lengths in different units, brought together."""

from __future__ import annotations

__all__ = ["METRES", "ratio"]

METRES = {
    "picometer": 1e-12,
    "angstrom": 1e-10,
    "nanometer": 1e-9,
    "micrometer": 1e-6,
    "millimeter": 1e-3,
    "centimeter": 1e-2,
    "inch": 0.0254,
    "meter": 1.0,
}
"""Units of length by their names in OME-Zarr and napari."""


def ratio(unit: str, other: str) -> float | None:
    """How many of the other unit one unit is: 1000 nanometer to 1 micrometer.

    Parameters
    ----------
    unit, other
        Such as "nanometer" or "pixel".

    Returns
    -------
    float or None
        None where they cannot be compared, such as pixels with micrometers.
    """
    if unit == other:
        return 1.0
    if unit not in METRES or other not in METRES:
        return None
    return METRES[unit] / METRES[other]
