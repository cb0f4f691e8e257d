"""Where this user's files go, also where the system knows no home for them (containers)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs

__all__ = ["cache_folder", "documents_folder", "home_folder"]

NAME = "napari-unet"


def cache_folder() -> Path:
    """Return the folder of what can be had again: downloads, measured speeds."""
    try:
        return Path(platformdirs.user_cache_path(NAME))
    except RuntimeError:  # neither HOME nor an entry in the list of users
        return Path(tempfile.gettempdir()) / f"{NAME}-{_user()}"


def documents_folder() -> Path:
    """Return the folder of the user's own documents."""
    try:
        return Path(platformdirs.user_documents_dir())
    except RuntimeError:
        return Path.cwd()


def home_folder() -> Path | None:
    """Return the user's home, or None where there is none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else "user"
