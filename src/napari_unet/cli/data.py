"""``napari-unet data list|fetch|path``: the named data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_unet.base.errors import DataSetError
from napari_unet.base.quantities import size
from napari_unet.cli.progress import show_result

if TYPE_CHECKING:
    import argparse

    from napari_unet.datasets.registry import DataSet

__all__ = ["add"]


def add(commands: Any, common: argparse.ArgumentParser) -> None:
    """Declare the subcommand and its three actions."""
    parser = commands.add_parser(
        "data", help="list, download or locate the named data sets", description="Named data sets."
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", parents=[common], help="say which there are")
    listing.set_defaults(run=run_list)
    for name, run, said in (
        ("fetch", run_fetch, "download a data set, verify it, and print its folder"),
        ("path", run_path, "print the folder of a data set that is there"),
    ):
        action = actions.add_parser(name, parents=[common], help=said)
        action.add_argument("name", metavar="NAME", help="such as isbi2012-em")
        action.set_defaults(run=run)


def run_list(args: argparse.Namespace) -> dict[str, Any]:
    """Print the data sets, where they are, and on what terms."""
    from napari_unet.datasets import registry as datasets

    found = {name: datasets.path(name) for name in datasets.names()}
    for name, one in datasets.DATA_SETS.items():
        show_result(args, name, f"    {one.description}", f"    {one.terms}.", f"    {_state(one)}")
    return {
        "data_sets": [
            {
                "name": one.name,
                "title": one.title,
                "description": one.description,
                "terms": one.terms,
                "bytes": one.size,
                "path": None if found[one.name] is None else str(found[one.name]),
            }
            for one in datasets.DATA_SETS.values()
        ]
    }


def _state(one: DataSet) -> str:
    from napari_unet.datasets import registry as datasets

    where = datasets.path(one.name)
    if where is not None:
        return f"is in {where}"
    if not one.folder:
        return "is made on the spot"
    return f"not on this machine yet; napari-unet data fetch {one.name} gets {size(one.size)}"


def run_fetch(args: argparse.Namespace) -> dict[str, Any]:
    """Download a data set unless it is there; print its folder."""
    from napari_unet.datasets import registry as datasets

    where = datasets.fetch(args.name, progress=True)
    show_result(args, str(where) if where else f"{args.name} is made on the spot, there is no file")
    return {"name": args.name, "path": None if where is None else str(where)}


def run_path(args: argparse.Namespace) -> dict[str, Any]:
    """Print where a data set lies."""
    from napari_unet.datasets import registry as datasets

    where = datasets.path(args.name)
    if where is None:
        raise DataSetError(
            f"{args.name} has no folder on this machine; napari-unet data fetch {args.name} "
            "downloads it, if it is not made on the spot."
        )
    show_result(args, str(where))
    return {"name": args.name, "path": str(where)}
