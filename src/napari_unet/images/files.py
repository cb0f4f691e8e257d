"""Image files and folders as stacks, alone or with their labels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_unet.base.errors import DataSetError, InputError
from napari_unet.images.ctc_folder import Truth, find_sequences, find_truths, open_ctc
from napari_unet.images.ome_zarr import is_url, is_zarr, open_zarr
from napari_unet.images.pairing import Pairing, natural_key, pair_by_name
from napari_unet.images.stack import Stack, guess_axes
from napari_unet.images.tiff import LAZY_ABOVE, TIFF_SUFFIXES, read_plane, read_tiff, write_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_unet.annotation.labels import LabelScheme

__all__ = [
    "SUFFIXES",
    "Pairing",
    "can_open",
    "open_image",
    "open_pair",
    "open_pairs",
    "pair_by_name",
    "read_picture",
    "write_labels",
]

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
JPEG = ("JPEG", "MPO")
JPEG_NOISE = 64  # of 255; at sharp edges a low quality reaches further than that
JPEG_BLURRED = 0.05  # share of the pixels beyond it from which on it is no mask
SUFFIXES = (*TIFF_SUFFIXES, *PICTURE_SUFFIXES, ".npy")


def can_open(path: str | Path) -> bool:
    """Tell from name and folder contents whether ``open_image`` knows such a thing."""
    if is_zarr(path):
        return True
    path = Path(path)
    if path.is_dir():
        return bool(find_sequences(path)) or bool(_images_in(path))
    return path.suffix.lower() in SUFFIXES


def open_image(
    path: str | Path,
    *,
    axes: str | None = None,
    level: int = 0,
    sequence: str | None = None,
    truth: Truth | None = None,
    lazy_above: int = LAZY_ABOVE,
) -> Stack:
    """Open any image this package reads.

    Parameters
    ----------
    path
        A TIFF, PNG, JPEG or .npy file; a folder of equally large ones; an
        OME-Zarr folder or its http(s) address; a folder of the Cell Tracking
        Challenge (with its labels, see ``truth``).
    axes
        One letter per axis where the file does not say them.
    level
        Resolution of a multiscale image, 0 the finest.
    sequence, truth
        Of the Cell Tracking Challenge. ``truth`` None: the best there is.
    lazy_above
        Bytes from which on an image is not loaded but read where needed.

    Raises
    ------
    DataSetError
        When there is nothing, nothing known, or something damaged.
    InputError
        When the axes do not fit.
    """
    if is_zarr(path):
        return open_zarr(path, level=level, axes=axes)
    path = Path(path)
    if not path.exists():
        raise DataSetError(f"expected an image, but {path} does not exist: check its name.")
    if path.is_dir():
        if find_sequences(path):
            return open_ctc(path, sequence, truth or _best_truth(path), lazy_above=lazy_above)
        return _open_series(path.name, _images_in(path), axes, lazy_above, path)
    return _open_file(path, axes, lazy_above)


def open_pair(
    image: str | Path,
    labels: str | Path,
    *,
    scheme: LabelScheme | None = None,
    axes: str | None = None,
    annotated: Sequence[int] | None = None,
    pairs: Sequence[tuple[Path, Path]] | None = None,
    lazy_above: int = LAZY_ABOVE,
) -> Stack:
    """Open an image with its labels: two files, or two folders paired by name.

    Parameters
    ----------
    image, labels
        As ``open_image`` takes them. Images of a folder that have no partner
        are slices without labels.
    scheme
        What label values mean; None proposes it.
    axes
        Of the image, where its file does not say them.
    annotated
        Slices that the labels are of, when they are of a few only.
    pairs
        Of two folders: which labels belong to which image, when the names do
        not tell it for certain.

    Raises
    ------
    DataSetError
        When a file is missing or damaged, or pairs of files are doubtful.
    InputError
        When image and labels do not fit together.
    """
    if _is_series(image) and _is_series(labels):
        return _open_folders(Path(image), Path(labels), scheme, axes, pairs, lazy_above)
    stack = open_image(image, axes=axes, lazy_above=lazy_above)
    array = _labels_array(labels, lazy_above)
    chosen = None if annotated is None else tuple(annotated)
    try:
        return _with(stack, stack.axes, array, scheme, chosen)
    except InputError:
        # Only axes that nobody stated may be read differently.
        for guess in () if axes else guess_axes(stack.image.shape, stack.dtype, False, array.shape):
            if _lengths_without(guess, stack.image.shape, "c") == tuple(array.shape):
                return _with(stack, guess, array, scheme, chosen)
        raise


def open_pairs(
    images: str | Path,
    labels: str | Path,
    *,
    scheme: LabelScheme | None = None,
    axes: str | None = None,
    lazy_above: int = LAZY_ABOVE,
) -> tuple[Stack, ...]:
    """Open an image with its labels, or folders of images of different sizes.

    Parameters
    ----------
    images, labels
        As in `open_pair`. Images of one folder that are equal in size and dtype become one stack.
    scheme, axes, lazy_above
        As in `open_pair`.

    Raises
    ------
    DataSetError, InputError
        As in `open_pair`.
    """
    if not (_is_series(images) and _is_series(labels)):
        return (open_pair(images, labels, scheme=scheme, axes=axes, lazy_above=lazy_above),)
    folder, files = Path(images), _images_in(Path(images))
    pairs = _certain_pairs(files, _images_in(Path(labels)), folder, Path(labels))
    groups: dict[tuple[Any, ...], list[Path]] = {}
    for file in files:
        groups.setdefault(_form(file), []).append(file)
    paired = {image for image, _ in pairs}
    stacks = []
    for (shape, *_), members in groups.items():
        chosen = [pair for pair in pairs if pair[0] in members]
        if paired.isdisjoint(members):
            continue
        name = folder.name if len(groups) == 1 else f"{folder.name} {' × '.join(map(str, shape))}"
        stacks.append(_labelled_series(name, members, chosen, scheme, axes, lazy_above, folder))
    return tuple(stacks)


def _form(file: Path) -> tuple[Any, ...]:
    """Return shape, dtype and kind of an image file; of most only the description is read."""
    suffix = file.suffix.lower()
    if suffix in PICTURE_SUFFIXES:
        from PIL import Image

        with _picture_errors(file), Image.open(file) as picture:
            return picture.size[::-1], picture.mode, _has_deep_colour(picture), suffix
    image = _open_file(file, None, lazy_above=-1).image
    return tuple(image.shape), str(image.dtype), suffix


def _with(
    stack: Stack,
    axes: str,
    labels: Any,
    scheme: LabelScheme | None,
    annotated: tuple[int, ...] | None,
) -> Stack:
    same = axes.replace("c", "") == stack.axes.replace("c", "")
    return Stack(
        stack.name,
        stack.image,
        axes,
        labels=labels,
        scheme=scheme,
        annotated=annotated,
        scale=stack.scale if same else (),
        translate=stack.translate if same else (),
        units=stack.units if same else (),
        channel_names=stack.channel_names if same else (),
    )


def _lengths_without(axes: str, shape: Sequence[int], letter: str) -> tuple[int, ...]:
    return tuple(int(n) for a, n in zip(axes, shape) if a != letter)


def _best_truth(path: Path) -> Truth | None:
    """Gold or silver; tracking markers say where cells are, not what belongs to them."""
    return next((truth for truth in find_truths(path) if truth != "markers"), None)


# -- single files ---------------------------------------------------------------------------


def _open_file(path: Path, axes: str | None, lazy_above: int) -> Stack:
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        return read_tiff(path, axes=axes, lazy_above=lazy_above)
    if suffix == ".npy":
        image = _read_npy(path, lazy_above)
        return Stack(path.stem, image, axes or guess_axes(image.shape, image.dtype)[0])
    if suffix in PICTURE_SUFFIXES:
        image = read_picture(path)
        return Stack(path.stem, image, axes or ("yxc" if image.ndim == 3 else "yx"))
    raise DataSetError(
        f"{path.name} is of no known kind: save it as TIFF, PNG or OME-Zarr (known: "
        f"{', '.join(SUFFIXES)})."
    )


def _read_npy(path: Path, lazy_above: int) -> NDArray[Any]:
    try:
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        return np.array(mapped) if mapped.nbytes <= lazy_above else mapped
    except (OSError, ValueError) as error:
        raise DataSetError(
            f"{path} cannot be read as a numpy array ({error}): save it again with numpy.save."
        ) from error


def read_picture(path: str | Path, *, as_labels: bool = False) -> NDArray[Any]:
    """Read a PNG, JPEG, BMP or WebP file.

    Parameters
    ----------
    path
        The file.
    as_labels
        Keep the indices of a palette, and take one of several equal channels.

    Returns
    -------
    numpy.ndarray
        (Y, X), or (Y, X, C) for colour; bool, uint8, uint16, int32 or float32.

    Raises
    ------
    DataSetError
        When the file is missing, truncated or no picture; or coloured where labels are asked.
    """
    from PIL import Image

    with _picture_errors(path), Image.open(path) as picture:
        tolerance = JPEG_NOISE if picture.format in JPEG else 0
        if _has_deep_colour(picture):
            pixels = _read_deep_png(path)
        else:
            palette = picture.mode == "P" and not as_labels
            pixels = np.asarray(picture.convert("RGB") if palette else picture)
    if as_labels and pixels.ndim == 3:
        pixels = _one_channel(pixels, path, tolerance)
    return pixels


def _has_deep_colour(picture: Any) -> bool:
    """Tell a PNG of several channels of 16 bits, of which Pillow would keep 8."""
    if picture.format != "PNG":
        return False
    rawmode = picture.tile[0][3] if picture.tile else ""
    return picture.mode in ("LA", "RGB", "RGBA") and ";16" in str(rawmode)


def _read_deep_png(path: str | Path) -> NDArray[Any]:
    import imagecodecs

    try:
        pixels: NDArray[Any] = imagecodecs.png_decode(Path(path).read_bytes())
    except imagecodecs.PngError as error:
        raise ValueError(error) from error
    return pixels


def _read_label_picture(path: str | Path) -> NDArray[Any]:
    """Labels of a picture; of a JPEG, which scatters the values of a mask, 0 and 255 again."""
    pixels = read_picture(path, as_labels=True)
    if Path(path).suffix.lower() not in (".jpg", ".jpeg"):
        return pixels
    values = pixels.astype(np.int16)
    far = np.minimum(np.abs(values), np.abs(values - 255)) > JPEG_NOISE
    if far.mean() > JPEG_BLURRED:
        raise DataSetError(
            f"{path} cannot hold labels, because JPEG compression changes their values: save them "
            "as PNG or TIFF."
        )
    return np.where(values >= 128, np.uint8(255), np.uint8(0))


@contextmanager
def _picture_errors(path: str | Path) -> Iterator[None]:
    """Turn whatever a broken picture raises into one sentence."""
    from PIL import Image

    try:
        yield
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataSetError(
            f"{path} cannot be read as a picture ({error}): it is damaged, missing or too large, "
            "copy it again or save it as TIFF."
        ) from error


def _one_channel(pixels: NDArray[Any], path: str | Path, tolerance: int) -> NDArray[Any]:
    colours = pixels[..., : 1 if pixels.shape[-1] == 2 else 3]
    if np.ptp(colours, axis=-1).max() > tolerance:
        raise DataSetError(
            f"{path} is a colour picture, but labels must be one whole number per pixel: save them "
            "as a grey or indexed image."
        )
    return colours[..., 0]


# -- folders --------------------------------------------------------------------------------


def _is_series(path: str | Path) -> bool:
    """A folder of single images."""
    return (
        not is_url(path) and Path(path).is_dir() and not is_zarr(path) and not find_sequences(path)
    )


def _images_in(folder: Path) -> list[Path]:
    files = [p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()]
    return sorted((p for p in files if not p.name.startswith(".")), key=natural_key)


def _open_series(
    name: str, files: Sequence[Path], axes: str | None, lazy_above: int, folder: Path
) -> Stack:
    """Files of one size as slices, in natural order: 2 before 10."""
    if not files:
        raise DataSetError(
            f"expected images in {folder}, but there is none of {', '.join(SUFFIXES)}: choose "
            "another folder."
        )
    kinds = sorted({p.suffix.lower() for p in files})
    if len(kinds) > 1:
        raise DataSetError(
            f"{folder} holds images of different kinds ({', '.join(kinds)}): leave only those of "
            "one series in the folder."
        )
    first = _open_file(files[0], None, lazy_above)
    if len(files) == 1:
        return first if axes is None else _open_file(files[0], axes, lazy_above)
    image = _stack_files(files, first, lazy_above, as_labels=False)
    lead = "z" if "z" not in first.axes else "t" if "t" not in first.axes else "p"
    sizes = (1.0, *first.scale), ("pixel", *first.units)
    if axes is not None and axes.replace("c", "") != lead + first.axes.replace("c", ""):
        sizes = ((), ())
    return Stack(name, image, axes or lead + first.axes, scale=sizes[0], units=sizes[1])


def _stack_files(files: Sequence[Path], first: Stack, lazy_above: int, as_labels: bool) -> Any:
    shape, dtype = tuple(first.image.shape), first.dtype
    if as_labels:
        example = _read_array(files[0], True)
        shape, dtype = example.shape, example.dtype
    if int(np.prod(shape)) * dtype.itemsize * len(files) > lazy_above:
        import dask
        import dask.array as da

        read = dask.delayed(_read_array, pure=True)
        return da.stack([da.from_delayed(read(f, as_labels), shape, dtype) for f in files])
    with ThreadPoolExecutor(8) as pool:
        planes = list(pool.map(lambda f: _read_array(f, as_labels), files))
    for file, plane in zip(files, planes):
        if plane.shape != shape:
            raise DataSetError(
                f"{file} has shape {plane.shape}, but {files[0].name} has {shape}: images of a "
                "series must have one size, open the others as stacks of their own."
            )
        if plane.dtype != planes[0].dtype and not as_labels:
            raise DataSetError(
                f"{file} is {plane.dtype}, but {files[0].name} is {planes[0].dtype}: images of a "
                "series must have one dtype, or their grey values cannot be compared."
            )
    return np.stack(planes)


def _read_array(path: Path, as_labels: bool) -> NDArray[Any]:
    suffix = path.suffix.lower()
    if suffix in TIFF_SUFFIXES:
        return read_plane(path)
    if suffix == ".npy":
        return _read_npy(path, LAZY_ABOVE)
    return _read_label_picture(path) if as_labels else read_picture(path)


def _labels_array(path: str | Path, lazy_above: int) -> Any:
    """Labels of a file or folder as an array, without the meaning of its axes."""
    if not is_zarr(path) and Path(path).suffix.lower() in PICTURE_SUFFIXES:
        return _read_label_picture(path)
    if _is_series(path):
        files = _images_in(Path(path))
        if len(files) > 1:
            return _stack_files(files, _open_file(files[0], None, lazy_above), lazy_above, True)
        path = files[0] if files else path
    return open_image(path, lazy_above=lazy_above).image


def _open_folders(
    images: Path,
    labels: Path,
    scheme: LabelScheme | None,
    axes: str | None,
    pairs: Sequence[tuple[Path, Path]] | None,
    lazy_above: int,
) -> Stack:
    files = _images_in(images)
    if pairs is None:
        pairs = _certain_pairs(files, _images_in(labels), images, labels)
    return _labelled_series(images.name, files, pairs, scheme, axes, lazy_above, images)


def _labelled_series(
    name: str,
    files: Sequence[Path],
    pairs: Sequence[tuple[Path, Path]],
    scheme: LabelScheme | None,
    axes: str | None,
    lazy_above: int,
    folder: Path,
) -> Stack:
    """Images of one size as slices, with the labels of those that have a partner."""
    stack = _open_series(name, files, axes, lazy_above, folder)
    partner = {Path(a).name: Path(b) for a, b in pairs}
    chosen = [i for i, file in enumerate(files) if file.name in partner]
    label_files = [partner[files[i].name] for i in chosen]
    if len(files) == 1:
        return stack.with_labels(_read_array(label_files[0], True), scheme)
    array = _stack_files(label_files, stack, lazy_above, True)
    if len(chosen) == len(files):
        return stack.with_labels(array, scheme)
    per_file = stack.n_slices // len(files)
    annotated = [i * per_file + k for i in chosen for k in range(per_file)]
    flat = array.reshape(len(annotated), *array.shape[-2:])
    return stack.with_labels(flat, scheme, tuple(annotated))


def _certain_pairs(
    images: list[Path], labels: list[Path], image_folder: Path, label_folder: Path
) -> Sequence[tuple[Path, Path]]:
    if not labels:
        raise DataSetError(
            f"expected labels in {label_folder}, but there are none: choose another."
        )
    pairing = pair_by_name(images, labels)
    # Labels without an image are a sign of wrong folders; images without labels are usual.
    if pairing.doubtful or pairing.labels_alone or not pairing.certain:
        raise DataSetError(
            f"{len(pairing.certain)} of {len(images)} images in {image_folder} have labels in "
            f"{label_folder} for certain, but {pairing.describe()}: rename the files alike, or "
            "give the pairs."
        )
    return pairing.certain
