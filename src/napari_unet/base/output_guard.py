"""What is written never replaces what was read, nor a file that is not ours without being asked.

Every command that writes asks here before it computes anything, and so do the file dialogs of the
docks. Places are compared by identity, not by spelling: links are followed, and another name of
the same file is the same file.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet import __version__
from napari_unet.base.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["SOFTWARE", "check_output_file", "check_output_folder", "is_ours"]

PROGRAM = "napari-unet"

SOFTWARE = f"{PROGRAM} {__version__}"
"""Written into every TIFF and PNG, so that it can be told from a person's own."""

STORE_FILES = (".zgroup", ".zarray", ".zattrs", "zarr.json")
"""What makes a folder a zarr store: whatever lies in it belongs to it."""


def check_output_file(
    path: str | os.PathLike[str],
    inputs: Iterable[str | os.PathLike[str] | None] = (),
    *,
    overwrite: bool = False,
    ours: Callable[[Path], bool] | None = None,
) -> Path:
    """Make sure that a result may be written, before anything is computed.

    Parameters
    ----------
    path
        Where the result is to go.
    inputs
        Everything that is read: images, labels, models; files or folders. What does not exist,
        such as the name of a data set, or None, is skipped.
    overwrite
        The user said that an existing file may be replaced, whoever wrote it. A file dialog that
        asks by itself gives True.
    ours
        Tells an existing file that this program wrote, where it is no image; see `is_ours`.

    Returns
    -------
    Path
        Of the result.

    Raises
    ------
    InputError
        If it is one of the inputs or lies in one, is a folder, is another program's file, or
        cannot be written there.
    """
    path = Path(path)
    with _plainly(path):
        real = _real(path)
        for given in inputs:
            if given is not None and _is_part_of(real, Path(given)):
                raise InputError(
                    f"the result would replace {path}, which is read as {given}: give the result "
                    "another name."
                )
        if real.is_dir():
            raise InputError(
                f"the output must be a file, but {path} is a folder; name a file in it."
            )
        if real.exists() and not real.is_file():
            raise InputError(f"the output must be a file, but {path} is none; choose another name.")
        if real.exists() and not overwrite and not (ours or is_ours)(real):
            raise InputError(
                f"{path} exists and was not written by {PROGRAM}: choose another name, or add "
                "--overwrite to replace it."
            )
        _check_writable(real)
    return path


def check_output_folder(
    path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str] | None] = ()
) -> Path:
    """Make sure that a folder of results is not a place that is read, and can be written.

    Parameters
    ----------
    path
        The folder; it need not exist.
    inputs
        As for `check_output_file`.

    Raises
    ------
    InputError
        If the folder is an input, lies in a zarr store that is read, is a file, or cannot be
        written.
    """
    path = Path(path)
    with _plainly(path):
        real = _real(path)
        for given in inputs:
            if given is None or not Path(given).exists():
                continue
            if _same(real, Path(given)) or _lies_in_store(real, Path(given)):
                raise InputError(
                    f"results would be written into {path}, which is read as {given}: give them a "
                    "folder of their own."
                )
        if real.exists() and not real.is_dir():
            raise InputError(f"the output must be a folder, but {path} is a file; name a folder.")
        _check_writable(real)
    return path


def is_ours(path: Path) -> bool:
    """Tell a TIFF or PNG that this program wrote: `SOFTWARE` is in it.

    Parameters
    ----------
    path
        An existing file.
    """
    from PIL import Image
    from tifffile import TiffFile

    with suppress(Exception):  # whatever is wrong with it, it is not ours
        if path.suffix.lower() == ".png":
            with Image.open(path, formats=["PNG"]) as picture:
                return str(picture.info.get("Software", "")).startswith(PROGRAM)
        with TiffFile(path) as tif:
            software = tif.pages.first.tags.valueof("Software", "")
            return str(software).startswith(PROGRAM)
    return False


class _plainly:  # noqa: N801 - reads as a word
    """Turn what the system says of an impossible path into one sentence."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError | ValueError) and not isinstance(error, InputError):
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(
                f"{self._path} cannot be written ({reason.lower()}): choose another place."
            ) from error


def _real(path: Path) -> Path:
    """Where a name leads, also through a folder that is only made later: ``new/../raw.tif``."""
    return Path(os.path.realpath(path))


def _same(one: Path, other: Path) -> bool:
    """Tell two names of one place."""
    return one.exists() and other.exists() and one.samefile(other)


def _is_part_of(path: Path, given: Path) -> bool:
    """Whether writing a file would change what is read."""
    if not given.exists():
        return False
    if _lies_in_store(path, given):
        return True
    if not path.exists():
        return False
    if not given.is_dir():
        return path.samefile(given)
    real = path.resolve()
    if any(_same(folder, given) for folder in real.parents):
        return True
    # Another name of a file in the folder: a hard link.
    status = path.stat()
    return status.st_nlink > 1 and (status.st_dev, status.st_ino) in _identities(given)


def _lies_in_store(path: Path, given: Path) -> bool:
    """Whether a place, existing or not, is inside a zarr store that is read."""
    if not given.is_dir() or not any((given / name).exists() for name in STORE_FILES):
        return False
    return any(_same(folder, given) for folder in path.resolve().parents)


def _identities(folder: Path) -> Iterator[tuple[int, int]]:
    for where, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                status = Path(where, name).stat()
                yield status.st_dev, status.st_ino


def _check_writable(path: Path) -> None:
    """Try to write where a file or folder is, or where it would be made."""
    with suppress(FileNotFoundError, NotADirectoryError):
        path.lstat()  # a name that the system does not take
    folder = path if path.is_dir() else path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise InputError(f"{folder} is a file, not a folder: choose another place for the result.")
    with tempfile.TemporaryFile(dir=folder):
        pass
