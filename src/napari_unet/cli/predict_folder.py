"""``napari-unet predict RUN FOLDER -o RESULTS``: every image of a folder, one file each."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import InputError, UNetError
from napari_unet.base.output_guard import check_output_file, check_output_folder
from napari_unet.base.quantities import count
from napari_unet.cli.inputs import open_image
from napari_unet.cli.measure import write_table
from napari_unet.cli.progress import say, show_result

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from napari_unet.images.stack import Stack
    from napari_unet.prediction.object_table import ObjectTable

    Predict = Callable[[Stack, Path], tuple[dict[str, Any], ObjectTable | None]]

__all__ = ["predict_folder"]


def predict_folder(args: argparse.Namespace, predict: Predict) -> dict[str, Any]:
    """Predict all images of a folder; what cannot be read is said, and the others go on.

    Parameters
    ----------
    args
        With ``image``, the folder, and ``output_file``, where results go under the same names.
    predict
        Predicts a stack into a file.

    Returns
    -------
    dict
        Results by name, and what failed and why.

    Raises
    ------
    InputError
        If there is no image, two would have one result, or none could be predicted.
    """
    targets = _targets(args)
    done: dict[str, Any] = {}
    failed: dict[str, str] = {}
    tables: dict[str, ObjectTable] = {}
    for file, target in targets.items():
        try:
            one = copy.copy(args)
            one.image = str(file)
            done[file.name], table = predict(open_image(one), target)
        except (UNetError, OSError) as error:
            failed[file.name] = str(error)
            say(f"{file.name} is left out: {error}")
            continue
        if table is not None:
            tables[file.name] = table
    if not done:
        raise InputError(
            f"none of {count(len(targets), 'file')} in {args.image} could be predicted; the first: "
            f"{next(iter(failed.values()))}"
        )
    left_out = f"; left out: {', '.join(failed)}" if failed else ""
    show_result(args, f"{count(len(done), 'image')} in {args.output_file}{left_out}")
    result: dict[str, Any] = {"folder": str(args.output_file), "files": done, "failed": failed}
    if tables:
        from napari_unet.prediction.object_table import ObjectTable

        result |= write_table(args, ObjectTable.joined(tables.values(), tables))
    return result


def _targets(args: argparse.Namespace) -> dict[Path, Path]:
    """Return the images of the folder and their results, which may be written."""
    folder = check_output_folder(args.output_file, [args.image])
    files = sorted(f for f in Path(args.image).iterdir() if not f.name.startswith("."))
    if not files:
        raise InputError(f"there is no image in {args.image}: name a folder with images.")
    targets = {file: folder / f"{file.stem}.tif" for file in files}
    by_target = {target: file for file, target in targets.items()}
    for file, target in targets.items():
        if by_target[target] != file:
            raise InputError(
                f"{file.name} and {by_target[target].name} would both be predicted into "
                f"{target.name}: give them different names."
            )
        check_output_file(target, [args.image], overwrite=args.overwrite)
    return targets
