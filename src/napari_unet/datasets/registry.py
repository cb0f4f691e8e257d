"""The named data sets: where they are, how to get them, and how to open them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_unet.base import places
from napari_unet.base.errors import DataSetError
from napari_unet.datasets.download import (
    ATTEMPTS,
    BrokenDownloadError,
    download,
    folder_sums,
    reason,
    shown,
    unpack,
)
from napari_unet.datasets.isbi2012 import download_isbi, find_volume, open_isbi
from napari_unet.datasets.synthetic import synthetic_stack
from napari_unet.images.ctc_folder import Truth, is_ctc_folder, open_ctc, open_ctc_all
from napari_unet.images.source import Source

if TYPE_CHECKING:
    from napari_unet.images.stack import Stack

__all__ = [
    "DATA_SETS",
    "DataSet",
    "cache_folder",
    "fetch",
    "names",
    "open",
    "open_all",
    "path",
]

Progress = bool | Callable[[int, int], None] | None

# Member names of a challenge archive that are used; reports of annotators and the like are not.
CTC_MEMBERS = r"{}/\d\d(?:/t\d+|_GT/SEG/man_seg\d+|_GT/TRA/man_track\d+|_ST/SEG/man_seg\d+)\.tif"
SITE = "https://data.celltrackingchallenge.net/training-datasets/"
CTC_TERMS = (
    "Provided for research by the Cell Tracking Challenge (celltrackingchallenge.net); cite "
    "Maška et al., Nature Methods 20:1010 (2023)"
)


@dataclass(frozen=True)
class DataSet:
    """A data set that has a name here.

    Parameters
    ----------
    name, title
        For the command line and for the menu.
    description
        What is in it, in one sentence.
    terms
        Origin and what to cite.
    folder
        Of the published layout, below the data folder or the cache; "" for the synthetic stack.
    size
        Bytes on disk.
    address
        Of the archive; "" where there is none.
    sums
        Folder -> (number of files, SHA-256 of their SHA-256 lines), see ``folder_sums``.
    """

    name: str
    title: str
    description: str
    terms: str
    folder: str = ""
    size: int = 0
    address: str = ""
    sums: dict[str, tuple[int, str]] = field(default_factory=dict, repr=False)

    @property
    def has_sequences(self) -> bool:
        """Whether ``open`` takes a sequence and a truth for it."""
        return bool(self.sums)


# fmt: off
_HELA = {
    "01": (84, "b362a65bf17f7ce29fde36bc090978f49bcd668d9d23320335dcbfc25b61b7c3"),
    "01_GT/SEG": (9, "40e291d378eb45c23500483404a4ed91fd86a31b2472d377d2a3b4af846016f4"),
    "01_GT/TRA": (84, "f3f886440b6afc74eab906b0fda23f4466d1a1cc81d7b7d7e69c8750a04ab960"),
    "01_ST/SEG": (84, "482cfd46c26c73bcbd5c62dff0b76e78258223fdc17571b77e80ebd2c2d7688c"),
    "02": (84, "5e25d6c250d978695bd1fdb970d280a845a4474c1b7044c93ccef1d264f508f4"),
    "02_GT/SEG": (9, "57c8ad0787c7ab1647f7d7407411661603ef66dfd4f3ccd3fbf92a31799c3fee"),
    "02_GT/TRA": (84, "851c9051cbd0938de8f6f63f2bcd599e9aa90d41cd699fde1413ca23f83f4a52"),
    "02_ST/SEG": (84, "b6843575e4352807083969fa20e61962da56d1d1d272aed847c2bea0a38c8e3c"),
}
_U373 = {
    "01": (115, "a49484606958754d1a3fc8c3c0430e0802edad220a8935f269e8de0174124e00"),
    "01_GT/SEG": (15, "86be389d9846d25985c8dc18e4adebb7f85a98abab8f0e750d218cea337cb822"),
    "01_GT/TRA": (115, "3f0c4b80e3c98000e62bb8bf1fb9d9c5bf05404c8ff3a811cc6124dd32e36ab9"),
    "01_ST/SEG": (115, "b456aa253576f36d8e555c3b2f0472575b633250ea08d70c18c7ce2d75221ffa"),
    "02": (115, "342e6d2ece878a60945de2c8070da89026439fe3b987827daa94caab33fd41f5"),
    "02_GT/SEG": (19, "3800946f5c6953bda938d1c85485502c5f0cb5bd2eaa07f66000a9b2603e98ff"),
    "02_GT/TRA": (115, "49c2059ba7ff6ff1e7f92d8d491f823421e6841e9cef0ae69bcaaf6abbfd2b00"),
    "02_ST/SEG": (115, "80df042d65ca81877b418b171785046b2bf5e7697a930ce51cef1c58103cb65e"),
}
# fmt: on

DATA_SETS: dict[str, DataSet] = {
    one.name: one
    for one in (
        DataSet(
            "isbi2012-em",
            "ISBI-2012 EM",
            "30 slices of fruit fly ventral nerve cord, serial-section electron microscopy, "
            "512 × 512, 50 × 4 × 4 nm, every membrane annotated.",
            "Published for the ISBI-2012 challenge; cite Cardona et al., PLoS Biology 8:e1000502 "
            "(2010) and Arganda-Carreras et al., Frontiers in Neuroanatomy 9:142 (2015)",
            folder="isbi2012-em",
            size=14_890_116,
        ),
        DataSet(
            "phc-c2dh-u373",
            "PhC-C2DH-U373",
            "Glioblastoma cells on polyacrylamide, phase contrast, 2 sequences of 115 frames, "
            "520 × 696, 0.65 µm, 15 + 19 frames annotated by hand.",
            f"{CTC_TERMS}; images by S. Kumar, University of California, Berkeley",
            folder="PhC-C2DH-U373",
            size=48_775_274,
            address=SITE + "PhC-C2DH-U373.zip",
            sums=_U373,
        ),
        DataSet(
            "dic-c2dh-hela",
            "DIC-C2DH-HeLa",
            "HeLa cells on glass, differential interference contrast, 2 sequences of 84 frames, "
            "512 × 512, 0.19 µm, 9 + 9 frames annotated by hand.",
            f"{CTC_TERMS}; images by G. van Cappellen, Erasmus Medical Center, Rotterdam",
            folder="DIC-C2DH-HeLa",
            size=42_048_346,
            address=SITE + "DIC-C2DH-HeLa.zip",
            sums=_HELA,
        ),
        DataSet(
            "synthetic",
            "Synthetic EM",
            "12 slices of made-up nerve tissue, 256 × 256, made on the spot without a network.",
            "Free of any terms",
        ),
    )
}


def names() -> tuple[str, ...]:
    """Names that ``open`` and ``fetch`` know."""
    return tuple(DATA_SETS)


def cache_folder() -> Path:
    """Folder of downloaded data sets: the platform's cache."""
    return places.cache_folder()


def path(name: str, data_dir: str | Path | None = None) -> Path | None:
    """Where a data set is on this machine, or None if it has to be fetched.

    Parameters
    ----------
    name
        One of ``names()``.
    data_dir
        Holds the data set's folder, or is it. None: the folder in the
        environment variable NAPARI_UNET_DATA, then the cache.

    Raises
    ------
    DataSetError
        When there is no such name, or ``data_dir`` does not hold it.
    """
    one = _named(name)
    if not one.folder:
        return None
    if data_dir is not None:
        for place in (Path(data_dir) / one.folder, Path(data_dir)):
            if _holds(place, one):
                return place
        raise DataSetError(
            f"expected the folder {one.folder} in {data_dir}, but it is not there or not complete: "
            "choose the folder that holds it."
        )
    given = os.environ.get("NAPARI_UNET_DATA")
    places = [Path(given) / one.folder] if given else []
    return next((p for p in (*places, cache_folder() / one.folder) if _holds(p, one)), None)


def fetch(name: str, progress: Progress = None) -> Path | None:
    """Make sure that a data set is on this machine, downloading it if it is not.

    Parameters
    ----------
    name
        One of ``names()``.
    progress
        True shows a bar in the terminal; a function is called with how much is
        done and how much there is in all (bytes, or slices of ISBI-2012), and
        may raise to cancel.

    Returns
    -------
    pathlib.Path or None
        Its folder; None for the synthetic stack.

    Raises
    ------
    DataSetError
        When it cannot be downloaded or is not what was published. Nothing is
        left in the cache then.
    """
    one = _named(name)
    found = path(name)
    if found or not one.folder:
        return found
    target = cache_folder() / one.folder
    with _work_folder(target.parent) as work:
        _move(_fetch_whole(one, work, progress), target)
    return target


def _fetch_whole(one: DataSet, work: Path, progress: Progress) -> Path:
    """Download a data set into the work folder; what cannot be written there is one sentence."""
    try:
        if one.address:
            return _fetch_archive(one, work, progress)
        ready = work / one.folder
        ready.mkdir()
        with shown(progress, "slice") as report:
            download_isbi(ready, progress=report)
        shutil.rmtree(ready / "pictures", ignore_errors=True)
        return ready
    except OSError as error:  # such as a disk that is full
        raise DataSetError(
            f"{one.name} cannot be written to {work.parent} ({reason(error)}): make room there, or "
            "set NAPARI_UNET_DATA to a folder that holds the data set."
        ) from error


def open(  # noqa: A001  (read as datasets.open)
    name: str,
    data_dir: str | Path | None = None,
    sequence: str = "01",
    truth: Truth | None = "gold",
    subset: Literal["train", "test"] = "train",
    progress: Progress = None,
) -> Stack:
    """Open a named data set, fetching it if needed.

    Parameters
    ----------
    name
        One of ``names()``.
    data_dir
        Folder to take it from instead; see ``path``.
    sequence
        "01", "02" or "both", of the Cell Tracking Challenge sets.
    truth
        "gold", "silver", "both", "markers" or None, of the same.
    subset
        "train" or "test" (without labels), of isbi2012-em.
    progress
        See ``fetch``.

    Raises
    ------
    DataSetError
        When it cannot be had or is damaged.
    """
    one = _named(name)
    if not one.folder:
        return replace(synthetic_stack(), source=Source(name))
    folder = path(name, data_dir) or fetch(name, progress)
    assert folder is not None  # only the synthetic stack has no folder
    if one.has_sequences:
        stack = open_ctc(folder, sequence, truth)
        return replace(stack, source=Source(name, sequence=sequence))
    return replace(open_isbi(folder, subset), source=Source(name) if subset == "train" else None)


def open_all(
    name: str,
    data_dir: str | Path | None = None,
    truth: Truth | None = "gold",
    progress: Progress = None,
) -> tuple[Stack, ...]:
    """Open every sequence of a data set as a stack of its own; see ``open``."""
    if not _named(name).has_sequences:
        return (open(name, data_dir, progress=progress),)
    folder = path(name, data_dir) or fetch(name, progress)
    assert folder is not None
    return open_ctc_all(folder, truth)


def _named(name: str) -> DataSet:
    if name not in DATA_SETS:
        raise DataSetError(
            f"there is no data set named {name!r}: choose one of {', '.join(DATA_SETS)}."
        )
    return DATA_SETS[name]


def _holds(folder: Path, one: DataSet) -> bool:
    return is_ctc_folder(folder) if one.has_sequences else bool(find_volume(folder, "train-volume"))


@contextmanager
def _work_folder(parent: Path) -> Iterator[Path]:
    """Folder beside the final one, gone afterwards whatever happens."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".partial-", dir=parent))
    except OSError as error:
        raise DataSetError(
            f"the cache folder {parent} cannot be written ({error}): set NAPARI_UNET_DATA to a "
            "folder that holds the data sets."
        ) from error
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fetch_archive(one: DataSet, work: Path, progress: Progress) -> Path:
    why = ""
    for attempt in range(ATTEMPTS):
        archive, unpacked = work / f"{attempt}.zip", work / str(attempt)
        download(one.address, archive, progress)
        try:
            unpack(archive, unpacked, CTC_MEMBERS.format(one.folder))
            _check_sums(one, unpacked / one.folder)
            return unpacked / one.folder
        except BrokenDownloadError as error:
            why = str(error)
            archive.unlink()
            shutil.rmtree(unpacked, ignore_errors=True)
    raise DataSetError(
        f"{one.address} is not the published data set ({why}): try again later, or unpack the "
        "archive yourself and set NAPARI_UNET_DATA to the folder that holds it."
    )


def _check_sums(one: DataSet, folder: Path) -> None:
    found = folder_sums(folder, one.sums)
    for name, (count, total) in one.sums.items():
        if found[name][0] != count:
            raise BrokenDownloadError(f"{name} has {found[name][0]} instead of {count} files")
        if found[name][1] != total:
            raise BrokenDownloadError(f"files in {name} have been changed (wrong SHA-256)")


def _move(ready: Path, target: Path) -> None:
    try:
        ready.rename(target)
    except OSError as error:
        if not target.is_dir():
            raise DataSetError(
                f"{target} cannot be written ({error}): make room there or remove what is in its "
                "place."
            ) from error
        # Another process was faster; its copy passed the same checks.
