"""nnU-Net (2d): planned and preprocessed by itself, trained with its own steps; run with a folder.

https://github.com/MIC-DKFZ/nnUNet/tree/master/documentation: dataset format, plans, prediction.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

PLACE = Path(tempfile.mkdtemp(prefix="nnunet-"))
for kind in ("raw", "preprocessed", "results"):
    os.environ[f"nnUNet_{kind}"] = str(PLACE / kind)
os.environ |= {"nnUNet_n_proc_DA": "1", "nnUNet_compile": "f", "nnUNet_def_n_proc": "1"}

import torch  # noqa: E402
from clock import Clock  # noqa: E402
from exchange import Request, keep_point  # noqa: E402
from nnunetv2.experiment_planning.plan_and_preprocess_api import (  # noqa: E402
    extract_fingerprints,
    plan_experiments,
    preprocess,
)
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor  # noqa: E402
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer  # noqa: E402
from PIL import Image  # noqa: E402

NAME, CPU = "Dataset001_EM", torch.device("cpu")


def planned(request: Request) -> tuple[dict, dict]:
    """Write the data as it wants them, let it plan; return plans and description."""
    folder = PLACE / "raw" / NAME
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for i, (image, labels) in enumerate(zip(request.images, request.labels)):
        Image.fromarray(image).save(folder / "imagesTr" / f"em_{i:03}_0000.png")
        Image.fromarray(labels.astype(np.uint8)).save(folder / "labelsTr" / f"em_{i:03}.png")
    described = {
        "channel_names": {"0": "EM"},
        "labels": {"background": 0, "cell": 1},
        "numTraining": len(request.images),
        "file_ending": ".png",
    }
    (folder / "dataset.json").write_text(json.dumps(described), "utf-8")
    extract_fingerprints([1], num_processes=1)
    plan_experiments([1])
    preprocess([1], configurations=["2d"], num_processes=[1])
    plans = json.loads((PLACE / "preprocessed" / NAME / "nnUNetPlans.json").read_text("utf-8"))
    # From here on tiles are augmented by this process, whose seconds count, on one thread.
    os.environ |= {"nnUNet_n_proc_DA": "0"}
    torch.set_num_threads(1)
    print("planned:", plans["configurations"]["2d"], flush=True)
    return plans, described


def trained(plans: dict, described: dict, budget: float, seed: int) -> tuple:
    """Train for so many processor seconds; return trainer, steps and seconds.

    How far its 1,000 epochs, and so its polynomial rate, have come is the share of the seconds
    that were spent.
    """
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - what it draws with
    clock, steps = Clock(), 0
    once = {**plans, "continue_training": False}  # as its own command says it
    trainer = nnUNetTrainer(once, "2d", "all", described, device=CPU)
    trainer.initialize()
    trainer.on_train_start()
    while clock.seconds < budget:
        trainer.current_epoch = int(trainer.num_epochs * clock.seconds / budget)
        trainer.on_train_epoch_start()
        trainer.train_step(next(trainer.dataloader_train))
        steps += 1
        print(f"  step {steps}, {clock.seconds:.0f} s", flush=True)
    return trainer, steps, clock.seconds


def predicted(trainer: nnUNetTrainer, images: np.ndarray) -> list:
    """Probability of the inside of a cell, averaged over its mirrored views."""
    trainer.set_deep_supervision_enabled(False)
    predictor = nnUNetPredictor(device=CPU, perform_everything_on_device=False, allow_tqdm=False)
    predictor.manual_initialization(
        trainer.network,
        trainer.plans_manager,
        trainer.configuration_manager,
        [trainer.network.state_dict()],
        trainer.dataset_json,
        "nnUNetTrainer",
        trainer.inference_allowed_mirroring_axes,
    )
    spacing = {"spacing": (999, 1, 1)}  # as its reader has it for pictures
    found = []
    for image in images:
        one = image[None, None].astype(np.float32)
        found.append(predictor.predict_single_npy_array(one, spacing, None, None, True)[1][1, 0])
    return found


def main(folder: Path) -> None:
    """Train once for every number of seconds."""
    request = Request.read(folder)
    plans, described = planned(request)
    for budget in request.seconds:
        trainer, steps, seconds = trained(plans, described, budget, request.seed)
        keep_point(
            folder,
            predicted(trainer, request.test),
            budget=budget,
            seconds=round(seconds, 1),
            steps=steps,
            how=f"{steps} steps of {trainer.batch_size} tiles",
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
