"""The ISBI-2012 stack in each of the three forms in which it is passed around.

Challenge TIFFs (train-volume.tif, train-labels.tif, test-volume.tif), a folder
of numbered PNGs (train/image/0.png, train/label/0.png, test/0.png), or JPEGs
(images/train-volume00.jpg, labels/train-labels00.jpg).
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_unet.annotation.labels import LabelScheme
from napari_unet.base.errors import DataSetError, InputError
from napari_unet.datasets.download import BrokenDownloadError, download, reason
from napari_unet.images.image_file import read_image_file
from napari_unet.images.series import read_series
from napari_unet.images.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["PICTURES", "SUMS", "Pictures", "download_isbi", "open_isbi"]

SCHEME = LabelScheme(kind="classes", values=(0, 255), names=("membrane", "cell"))
SCALE = (50.0, 4.0, 4.0)  # nm
SLICES = 30

# SHA-256 of the pixels (30, 512, 512) uint8 of the published volumes.
SUMS = {
    "train-volume": "200da3d452d726e6c9ca1ce04b869d4edb727320d23b516d01cce707dc8c4760",
    "train-labels": "a7cb64000a1a7e542682927e19c91339f58f9f178e0bcce4e207371116f0ca36",
    "test-volume": "1b58fa7ec1d0ff9d39a855622db3ff66a97863036339b0d04be51b2f5a99b0e9",
}


@dataclass(frozen=True)
class Pictures:
    """A place on the network that holds the volumes slice by slice.

    Parameters
    ----------
    address
        What every file's address begins with.
    volumes
        Volume -> its files, with {} for the slice's number.
    exact
        Volumes that must equal the published ones; JPEG compression changes grey values, so that
        only labels can.
    """

    address: str
    volumes: tuple[tuple[str, str], ...]
    exact: tuple[str, ...]


PICTURES = (
    Pictures(
        "https://raw.githubusercontent.com/zhixuhao/unet/master/data/membrane/",
        (
            ("train-volume", "train/image/{}.png"),
            ("train-labels", "train/label/{}.png"),
            ("test-volume", "test/{}.png"),
        ),
        ("train-volume", "train-labels", "test-volume"),
    ),
    Pictures(
        "https://raw.githubusercontent.com/hoangp/isbi-datasets/master/data/",
        (
            ("train-volume", "images/train-volume{:02d}.jpg"),
            ("train-labels", "labels/train-labels{:02d}.jpg"),
        ),
        ("train-labels",),
    ),
)


def open_isbi(folder: str | Path, subset: Literal["train", "test"] = "train") -> Stack:
    """Open the stack from a folder, in whichever of the three forms it is there.

    Parameters
    ----------
    folder
        Holds the volumes, or a copy of a repository that does.
    subset
        "train" has labels, "test" has none.

    Returns
    -------
    Stack
        (30, 512, 512) uint8, axes "zyx", 50 × 4 × 4 nm; labels 0 membrane, 255 cell.

    Raises
    ------
    DataSetError
        When a volume is missing or damaged.
    """
    if subset not in ("train", "test"):
        raise InputError(f"subset must be 'train' or 'test', got {subset!r}: choose one of them.")
    image = _volume(Path(folder), f"{subset}-volume")
    labels = scheme = None
    if subset == "train":
        labels, scheme = _binary(_volume(Path(folder), "train-labels")), SCHEME
        if labels.shape != image.shape:
            raise DataSetError(
                f"train-labels in {folder} have shape {labels.shape}, but train-volume has "
                f"{image.shape}: copy the data set again."
            )
    return Stack(
        f"isbi2012-em {subset}",
        image,
        "zyx",
        labels=labels,
        scheme=scheme,
        scale=SCALE,
        units=("nanometer",) * 3,
    )


def find_volume(folder: Path, volume: str) -> list[Path]:
    """Files of a volume: one TIFF, or one picture per slice in order; [] if there is none."""
    for base in (folder, folder / "data" / "membrane", folder / "data"):
        if (base / f"{volume}.tif").is_file():
            return [base / f"{volume}.tif"]
        for place in PICTURES:
            pattern = dict(place.volumes).get(volume)
            if pattern and (base / pattern.format(0)).is_file():
                return _numbered(base, pattern)
    return []


def _numbered(base: Path, pattern: str) -> list[Path]:
    """Pictures 0, 1, 2, … without a gap."""
    files: list[Path] = []
    while (file := base / pattern.format(len(files))).is_file():
        files.append(file)
    return files


def _volume(folder: Path, name: str) -> NDArray[Any]:
    files = find_volume(folder, name)
    if not files:
        raise DataSetError(
            f"expected {name}.tif or one picture per slice in {folder}, but neither is there: "
            "choose the folder that holds the ISBI-2012 data, or fetch it again."
        )
    if files[0].suffix == ".tif":
        volume: NDArray[Any] = read_image_file(files[0]).array
        return volume
    return _read_pictures(files)


def _read_pictures(files: Sequence[Path]) -> NDArray[Any]:
    def read_grey(file: Path) -> NDArray[Any]:
        """Copies of the challenge's slices may be grey pictures saved as colour."""
        array: NDArray[Any] = read_image_file(file).array
        return array[..., 0] if array.ndim == 3 else array

    pictures: NDArray[Any] = read_series(files, read_grey)
    return pictures


def _binary(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """0 or 255; JPEG compression scatters the values about both."""
    return np.where(labels >= 128, np.uint8(255), np.uint8(0))


def download_isbi(
    target: Path,
    places: Sequence[Pictures] = PICTURES,
    sums: Mapping[str, str] = SUMS,
    slices: int = SLICES,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Download the pictures, check them and write them as challenge TIFFs.

    Parameters
    ----------
    target
        Folder that receives the volumes.
    places
        Where to look, the best first.
    sums
        SHA-256 of the pixels of each volume.
    slices
        Per volume.
    progress
        Called with the slices so far and in all.

    Raises
    ------
    DataSetError
        When no place has them whole.
    """
    import tifffile

    failures = []
    for place in places:
        try:
            volumes = _download_place(target / "pictures", place, sums, slices, progress)
        except (DataSetError, BrokenDownloadError) as error:
            why = reason(error)
            failures += [why] if why not in failures else []
            continue
        for volume, pixels in volumes.items():
            tifffile.imwrite(
                target / f"{volume}.tif",
                pixels,
                compression="deflate",
                photometric="minisblack",
                metadata={"axes": "ZYX"},
            )
        return
    raise DataSetError(
        f"the ISBI-2012 stack cannot be downloaded ({', then '.join(failures)}): try again later, "
        "or set NAPARI_UNET_DATA to a folder with isbi2012-em/train-volume.tif in it."
    )


def _download_place(
    work: Path,
    place: Pictures,
    sums: Mapping[str, str],
    slices: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, NDArray[np.uint8]]:
    jobs = [
        (place.address + pattern.format(k), work / volume / f"{k}{Path(pattern).suffix}")
        for volume, pattern in place.volumes
        for k in range(slices)
    ]
    done = 0
    for folder in {target.parent for _, target in jobs}:
        folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(lambda job: download(*job), jobs):
            done += 1
            if progress:
                progress(done, len(jobs))
    volumes = {}
    for volume, pattern in place.volumes:
        suffix = Path(pattern).suffix
        pictures = [work / volume / f"{k}{suffix}" for k in range(slices)]
        pixels = _read_pictures(pictures)
        pixels = _binary(pixels) if volume == "train-labels" else pixels.astype(np.uint8)
        right = hashlib.sha256(pixels.tobytes()).hexdigest() == sums[volume]
        if right or volume not in place.exact:
            volumes[volume] = pixels
        elif volume != "test-volume":  # training needs no test volume
            raise BrokenDownloadError(f"{volume} is not the published one (wrong SHA-256)")
    return volumes
