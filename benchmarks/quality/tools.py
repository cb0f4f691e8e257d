"""What is compared: each tool, how it is used, and where that is documented."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["TOOLS", "Tool"]

CELLS = ("hela", "u373")


@dataclass(frozen=True)
class Tool:
    """One way to a segmentation.

    Attributes
    ----------
    title : str
        For the page.
    tasks : tuple of str
        What it is measured on.
    colour : str
        Of its curve; a name of `napari_unet.report.curves.COLOURS`.
    packages : tuple of str
        Whose versions are kept.
    how : str
        How it is used, for the page.
    """

    title: str
    tasks: tuple[str, ...]
    colour: str
    packages: tuple[str, ...]
    how: str


TOOLS = {
    "ours": Tool(
        "napari-unet",
        (*CELLS, "em"),
        "blue",
        ("torch",),
        "the preset *Best* as it is, except for the number of steps: as many as end with the "
        "seconds, which twelve steps tell beforehand, so that the learning rate comes to its end. "
        "Data are read, and distances computed, inside the clock. Cells: thresholds fitted on the "
        "last fifth of the frames of 01; EM: all slices 0 to 23 train. A training for each point.",
    ),
    "stardist": Tool(
        "StarDist",
        CELLS,
        "orange",
        ("stardist", "tensorflow-cpu", "csbdeep"),
        "as its example notebooks train: 32 rays, grid 2 × 2, patches of 256², 4 a step, Adam at "
        "0.0003, images normalised from the 1st to the 99.8th percentile, flips, quarter turns and "
        "changes of intensity, a share of 15 % of the frames kept apart on which it fits its "
        "thresholds. Images at half size, as ours, so that its field of view holds a cell, which "
        "its documentation asks for. Its rate never falls so early: one training, measured on the "
        "way, with the weights of that moment.",
    ),
    "cellpose": Tool(
        "Cellpose",
        CELLS,
        "green",
        ("cellpose", "torch"),
        "`train_seg` from scratch (`pretrained_model=False`) as documented for it: SGD at 0.2, "
        "weight decay 0.00001, 8 crops a step, every image resized to its own mean diameter of "
        "30 pixels. One step is an epoch of its schedule (`nimg_per_epoch=8`): its rate rises over "
        "ten epochs, which of whole epochs would take longer than the training. The flows of the "
        "training images are computed before the clock runs; the threshold of its probability is "
        "fitted on frames of 01. A training for each point, as many epochs as end with the "
        "seconds.",
    ),
    "nnunet": Tool(
        "nnU-Net (2d)",
        ("em",),
        "purple",
        ("nnunetv2", "torch"),
        "planned and preprocessed by itself before the clock runs, configuration 2d, fold `all`, "
        "the steps of its own trainer, whose 1,000 epochs, and so its polynomial rate, are spread "
        "over the seconds; no validation on the way. Predicted with its mirrored views. A "
        "training for each point.",
    ),
}
