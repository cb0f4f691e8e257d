"""What can be said about a stack before anybody trains on it: the names of the pre-flight."""

from __future__ import annotations

from napari_unet.preflight import FIXES, Finding, Fix, apply_fix, find, touching_pairs

__all__ = ["FIXES", "Finding", "Fix", "apply_fix", "find", "touching_pairs"]
