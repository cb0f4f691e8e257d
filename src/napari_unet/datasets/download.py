"""Downloads and archives that leave nothing behind unless they are complete."""

from __future__ import annotations

import errno
import hashlib
import lzma
import re
import shutil
import stat
import time
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import DataSetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["BrokenDownloadError", "download", "folder_sums", "reason", "shown", "unpack"]


ATTEMPTS = 3
TIMEOUT = 60.0  # seconds without a byte
PATIENCE = 60.0  # seconds for a start
SLOWEST = 1000  # bytes a second, after that time
LARGEST_ARCHIVE = 2**33  # bytes, as it comes and unpacked
# Of zipfile and its decompressors: also for what is encrypted, or compressed in an unknown way.
DAMAGED = (
    *(zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, ValueError),
    *(zlib.error, lzma.LZMAError),
)


class BrokenDownloadError(Exception):
    """Something arrived, but not what was expected; another attempt may help."""


class _Bar:
    """What pooch tells its progress to: passed on, and looked at for what never ends."""

    def __init__(self, url: str, report: Callable[[int, int], None] | None) -> None:
        self.url = url
        self.report = report
        self.total = 0
        self.done = 0
        self.start = time.monotonic()

    def update(self, n: int) -> None:
        self.done += n
        seconds = time.monotonic() - self.start
        if self.done > LARGEST_ARCHIVE or self.total > LARGEST_ARCHIVE:
            raise DataSetError(
                f"{self.url} is larger than {LARGEST_ARCHIVE >> 30} GiB, which no data set is: "
                "unpack the data set yourself and set NAPARI_UNET_DATA to the folder that holds it."
            )
        if seconds > PATIENCE and self.done < SLOWEST * seconds:
            raise DataSetError(
                f"{self.url} comes too slowly to be downloaded: try again later, or unpack the "
                "data set yourself and set NAPARI_UNET_DATA to the folder that holds it."
            )
        if self.report is not None:
            self.report(min(self.done, self.total or self.done), self.total)

    def reset(self) -> None:
        self.done = 0

    def close(self) -> None:
        pass


@contextmanager
def shown(
    progress: bool | Callable[[int, int], None] | None, unit: str
) -> Iterator[Callable[[int, int], None] | None]:
    """Yield what progress is told to: a bar in the terminal for True, the function given, None."""
    if progress is not True:
        yield progress or None
        return
    from tqdm import tqdm

    with tqdm(unit=unit, unit_scale=unit == "B") as bar:

        def report(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield report


def download(
    url: str, target: Path, progress: bool | Callable[[int, int], None] | None = None
) -> None:
    """Download a file, with up to three attempts.

    Parameters
    ----------
    url
        http or https.
    target
        Where to; it exists afterwards only if the download is complete.
    progress
        True shows a bar in the terminal; a function is called with the bytes
        so far and in all (0: unknown), and may raise to cancel.

    Raises
    ------
    DataSetError
        When the server cannot be reached, does not have the file, or sends without an end.
    OSError
        When there is no room for it, or no right to write it.
    """
    import pooch
    import requests

    part = target.with_name(target.name + ".part")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with shown(progress, "B") as report:
                fetch = pooch.HTTPDownloader(progressbar=_Bar(url, report), timeout=TIMEOUT)
                fetch(url, str(part), None)
            part.replace(target)
            return
        except (requests.RequestException, OSError) as error:
            if _is_local(error):
                raise
            answer = getattr(error, "response", None)
            final = answer is not None and 400 <= answer.status_code < 500
            if final or attempt == ATTEMPTS:
                raise DataSetError(
                    f"{url} cannot be downloaded ({reason(error)}): check the connection, or "
                    "unpack the data set yourself and set NAPARI_UNET_DATA to the folder that "
                    "holds it."
                ) from error
        finally:
            part.unlink(missing_ok=True)


def _is_local(error: Exception) -> bool:
    """Tell a disk that cannot be written from a server that cannot be reached."""
    import requests

    full = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EFBIG)
    return not isinstance(error, requests.RequestException) and (
        isinstance(error, OSError) and error.errno in full
    )


def reason(error: BaseException) -> str:
    """Say in a few words why a download failed.

    Parameters
    ----------
    error
        From ``requests`` or the file system, or the error that was raised from one.
    """
    import requests

    error = error.__cause__ or error
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"{error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "no answer"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return (str(error).splitlines() or [type(error).__name__])[0]


def unpack(archive: Path, target: Path, wanted: str) -> int:
    """Unpack the wanted members of a zip archive, refusing one that reaches outside.

    pooch unpacks as well, but knows no limit of size and writes what reaches outside elsewhere.

    Parameters
    ----------
    archive
        Zip file.
    target
        Folder to unpack into.
    wanted
        Regular expression of member names; the others are left out.

    Returns
    -------
    int
        Number of files written.

    Raises
    ------
    DataSetError
        When a member has a path outside the target, is a link, or the archive is too large.
    BrokenDownloadError
        When the archive is truncated or damaged.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _check_members(members, archive.name)
            chosen = [m for m in members if re.fullmatch(wanted, m.filename)]
            for member in chosen:
                file = target / PurePosixPath(member.filename)
                file.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, file.open("wb") as copy:
                    shutil.copyfileobj(source, copy, 2**20)
    except OSError as error:
        if error.errno is not None:  # the disk, not the archive
            raise
        raise BrokenDownloadError(f"the archive is damaged ({error})") from error
    except DAMAGED as error:
        raise BrokenDownloadError(f"the archive is damaged ({error})") from error
    return len(chosen)


def _check_members(members: Sequence[zipfile.ZipInfo], name: str) -> None:
    for member in members:
        path = PurePosixPath(member.filename.replace("\\", "/"))
        drive = re.match(r"[A-Za-z]:", member.filename) is not None
        outside = path.is_absolute() or ".." in path.parts or drive
        if outside or stat.S_ISLNK(member.external_attr >> 16):
            raise DataSetError(
                f"{name} was refused because its member {member.filename!r} would be written "
                "outside its folder: get the archive from its official address."
            )
    if sum(m.file_size for m in members) > LARGEST_ARCHIVE:
        raise DataSetError(
            f"{name} was refused because it would unpack to more than {LARGEST_ARCHIVE >> 30} GiB: "
            "get the archive from its official address."
        )


def folder_sums(root: Path, folders: Mapping[str, Any]) -> dict[str, tuple[int, str]]:
    """Count and sum up the TIFF files of folders.

    Returns
    -------
    dict
        Folder -> (number of files, SHA-256 over the lines "<SHA-256>  <name>" of its
        files in order of their names, as ``sha256sum`` prints them).
    """
    sums = {}
    for folder in folders:
        files = sorted((root / folder).glob("*.tif"))
        lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files]
        sums[folder] = len(files), hashlib.sha256("".join(lines).encode()).hexdigest()
    return sums
