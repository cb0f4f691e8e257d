"""What is known about a layer: kept in its metadata, read and written here alone.

Names are the user's; they mean nothing. Two kinds of facts are kept: what a layer cannot say
about its values (axes, what labels mean, which slices are annotated, the pixel size in its
file), which also a copy of the layer has; and whether this plugin made it, of what, which only
that very layer has, until the user touches it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari.layers import Layer

__all__ = [
    "Kind",
    "Made",
    "as_metadata",
    "find_made",
    "is_result",
    "made_of",
    "mark_made",
    "note_sum",
    "tell",
    "told",
    "touch",
    "writing",
]

KEY = "napari_unet"
TOUCHES = "data", "paint", "labels_update"  # an undo follows one of these

Kind = Literal[
    "prediction",
    "probabilities",
    "objects",
    "live prediction",
    "earlier prediction",
    "weights",
    "errors",
    "validation",
    "guard",
    "tiles",
    "place",
]


@dataclass(frozen=True)
class Made:
    """How a layer came to be that this plugin made.

    Attributes
    ----------
    kind
        What it shows.
    layer
        The identity of the layer itself: a copy of it is the user's.
    source
        The identity of the image layer it was made of; "" where no layer shows the image.
    model
        Which model or training made it; "" for what needs none.
    touched
        Whether the user changed it since; then it is the user's, and never written into again.
    sum
        Of the values that were written last, where they may be added to later.
    """

    kind: Kind
    layer: str
    source: str = ""
    model: str = ""
    touched: bool = False
    sum: int | None = None


def told(layer: Layer, fact: str, default: Any = None) -> Any:
    """Return a fact about the values of a layer.

    Parameters
    ----------
    layer
        Any layer.
    fact
        "axes" (str), "scheme" (dict), "annotated" (list of int), "slice" (list of int: the
        leading index of labels without leading axes), "class_names" (dict), "output" (what the
        values of a prediction are), "predicted" (dict: by which model and settings), "source"
        (dict: how it was opened).
    default
        Returned where it is not known.
    """
    found = layer.metadata.get(KEY, {}).get(fact)
    return default if found is None else found


def tell(layer: Layer, **facts: Any) -> None:
    """Keep facts with a layer; None takes one away. Its copies are not changed."""
    kept = {**layer.metadata.get(KEY, {}), **facts}
    kept = {fact: value for fact, value in kept.items() if value is not None}
    layer.metadata = {**layer.metadata, KEY: kept}  # tells of it, too


def as_metadata(**facts: Any) -> dict[str, Any]:
    """Return the metadata of a layer that is still to be made, with facts as for `tell`."""
    return {KEY: {fact: value for fact, value in facts.items() if value is not None}}


def identity(layer: Layer | None) -> str:
    """Return what tells a layer from all others, whatever it is called; "" for none."""
    return "" if layer is None else str(layer.unique_id)


# -- layers that this plugin makes ----------------------------------------------------------


def mark_made(layer: Layer, kind: Kind, source: Layer | None, model: str = "") -> None:
    """Say that this plugin made a layer, and notice from now on when the user touches it.

    Parameters
    ----------
    layer
        Just made.
    kind, source, model
        See `Made`; ``source`` is the image layer.
    """
    made = Made(kind, identity(layer), identity(source), model)
    tell(layer, made=asdict(made))
    for name in TOUCHES:
        if hasattr(layer.events, name):
            getattr(layer.events, name).connect(_on_touch)


def made_of(layer: Layer) -> Made | None:
    """Return how this plugin made a layer; None for others, among them copies of ours."""
    kept = told(layer, "made")
    if kept is None or kept["layer"] != identity(layer):
        return None
    return Made(**kept)


def is_result(layer: Layer) -> bool:
    """Tell whether a layer is ours: this plugin made it, and the user has not touched it."""
    made = made_of(layer)
    return made is not None and not made.touched


def find_made(viewer: Any, kind: Kind, source: Layer | None, model: str = "") -> list[Any]:
    """Return the untouched layers of a kind that were made of an image by a model, newest first."""
    wanted = Made(kind, "", identity(source), model)
    return [
        layer
        for layer in reversed(viewer.layers)
        if is_result(layer) and _without_layer(layer) == wanted
    ]


def _without_layer(layer: Layer) -> Made:
    made = made_of(layer)
    assert made is not None
    return replace(made, layer="", sum=None)


def note_sum(layer: Layer, total: int | None) -> None:
    """Keep the sum of the values that were written into a layer of ours."""
    made = made_of(layer)
    if made is not None:
        tell(layer, made=asdict(replace(made, sum=total)))


def touch(layer: Layer) -> None:
    """Say that a layer is the user's from now on."""
    made = made_of(layer)
    if made is not None and not made.touched:
        tell(layer, made=asdict(replace(made, touched=True)))


def _on_touch(event: Any) -> None:
    touch(event.source)


@contextmanager
def writing(layer: Layer) -> Iterator[None]:
    """Replace the data of a layer of ours without touching it."""
    with layer.events.data.blocker(_on_touch):
        yield
