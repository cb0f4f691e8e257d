"""Every error that a user can cause, said in one sentence.

The text of each says what was expected, what came, and what to do. None of
them derives from ``RuntimeError``: superqt's worker takes any ``RuntimeError``
for a deleted widget and drops it silently.
"""

__all__ = [
    "CheckpointError",
    "DataSetError",
    "DeviceError",
    "DivergedError",
    "InputError",
    "UNetError",
]


class UNetError(Exception):
    """Base of all errors whose text is meant for the user."""


class InputError(UNetError):
    """An image, a labels array or a setting cannot be used."""


class DataSetError(UNetError):
    """A named data set cannot be had, or a file cannot be read."""


class CheckpointError(UNetError):
    """A run folder or model file is missing, foreign, truncated or too new."""


class DivergedError(UNetError):
    """A training ended because its loss was no longer a number."""


class DeviceError(UNetError):
    """The device is absent, or its memory does not suffice for any fallback."""
