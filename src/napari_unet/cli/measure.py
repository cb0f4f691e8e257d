"""``napari-unet measure LABELS IMAGE -o CSV``: a row for every object."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import InputError
from napari_unet.base.output_guard import check_output_file
from napari_unet.base.quantities import count
from napari_unet.cli.inputs import add_image_arguments, open_labelled
from napari_unet.cli.numbers import bounded
from napari_unet.cli.places import places_read
from napari_unet.cli.progress import say, show_result

if TYPE_CHECKING:
    import argparse

    from napari_unet.annotation.labels import LabelScheme
    from napari_unet.prediction.linking import Linking
    from napari_unet.prediction.object_table import ObjectTable

__all__ = [
    "add",
    "add_link_arguments",
    "asked_linking",
    "check_table",
    "named_classes",
    "run",
    "show_table",
    "write_table",
]


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand."""
    parser = commands.add_parser(
        "measure",
        parents=[common],
        help="measure the objects of a label image",
        description="Measure every object of a label image: area, place, shape and grey values, in "
        "pixels and in the unit of the image, a row for each object of each slice; with --link or "
        "--linked one for each object through z.",
    )
    parser.add_argument("labels", metavar="LABELS", help="label image; every id is an object")
    add_image_arguments(parser)
    parser.add_argument("-o", "--table", metavar="CSV", type=Path, required=True, help="the table")
    add_link_arguments(parser)
    parser.add_argument(
        "--linked",
        action="store_true",
        help="ids go through the slices already: one row for each object through z",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="replace a file of that name, whoever wrote it"
    )
    parser.set_defaults(run=run)


def add_link_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare how ids go through slices."""
    parser.add_argument(
        "--link",
        action="store_true",
        help="give an object one id through the slices or frames where it overlaps enough; in a "
        "table it has one row through z, and one in every frame through time",
    )
    parser.add_argument(
        "--link-overlap",
        type=bounded("link_overlap"),
        metavar="SHARE",
        help="with --link: share of the smaller of two objects that both must have (default 0.5)",
    )


def asked_linking(args: argparse.Namespace) -> Linking | None:
    """Return how objects are to be linked, None where they are not.

    Raises
    ------
    InputError
        If it is said how, but not that.
    """
    if not args.link:
        if args.link_overlap is not None:
            raise InputError("--link-overlap is of --link: add that, or leave it out.")
        return None
    from napari_unet.prediction.linking import Linking

    return Linking() if args.link_overlap is None else Linking(overlap=args.link_overlap)


def check_table(path: Path, args: argparse.Namespace) -> None:
    """Find out before computing that the table could not be written."""
    if path.suffix.lower() != ".csv":
        raise InputError(f"the table must be a .csv file, got {path.name!r}; rename it.")
    from napari_unet.prediction.object_table import is_table

    check_output_file(path, places_read(args), overwrite=args.overwrite, ours=is_table)


def named_classes(scheme: LabelScheme) -> tuple[str, ...]:
    """Return the names of the classes that objects can have, where there is a choice."""
    return scheme.names if scheme.n_classes > 2 else ()


def write_table(args: argparse.Namespace, table: ObjectTable | None) -> dict[str, Any]:
    """Write the table that was asked for; return what ``--json`` says of it."""
    if table is not None:
        table.write(args.table)
    return show_table(args, table)


def show_table(args: argparse.Namespace, table: ObjectTable | None) -> dict[str, Any]:
    """Say what is in a written table; return what ``--json`` says of it."""
    if table is None:
        return {}
    show_result(args, f"{table.summary}, in {args.table}")
    return {
        "table": str(args.table),
        "objects": table.count,
        "objects_per_slice": list(table.per_slice),
    }


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure; return where the table is."""
    import numpy as np

    from napari_unet.prediction.linking import linked_stack
    from napari_unet.prediction.object_table import measure

    check_table(args.table, args)
    stack, linking = open_labelled(args), asked_linking(args)
    if blank := stack.n_slices - len(stack.labelled_slices):
        some = f"{count(blank, 'slice')} of {stack.n_slices}"
        say(f"{some} without labels: no object is counted there")
    planes = np.stack([stack.label_plane(i) for i in range(stack.n_slices)])
    labels = planes.reshape(*stack.leading_shape, *stack.plane_shape)
    if linking is not None:
        labels = linked_stack(labels, linking)
    through = args.linked or linking is not None
    return write_table(args, measure(labels, stack, linked=through))
