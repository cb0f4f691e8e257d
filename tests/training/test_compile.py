"""Training with torch.compile: the same run, or the same run uncompiled and one sentence."""

from __future__ import annotations

import pytest
import torch

from napari_unet.base.errors import CheckpointError
from napari_unet.config.network import UNetConfig
from napari_unet.config.training import TrainConfig
from napari_unet.training import learner
from napari_unet.training.events import Adjusted, Finished, Step
from napari_unet.training.trainer import Trainer
from tests.stacks import bright_squares

ROUNDING = 1e-4


@pytest.fixture(autouse=True)
def _forget_what_was_compiled():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.fixture
def compiled_by(monkeypatch):
    """Use another backend: a real compiler takes a minute."""

    def use(backend):
        monkeypatch.setattr(learner, "BACKEND", backend)

    use("aot_eager")
    return use


def tiny(**changes) -> TrainConfig:
    settings = {
        "network": UNetConfig(depth=1, width=2, dropout=0.2, norm="batch"), "steps": 6,
        "tile": 36, "batch": 2, "learning_rate": 1e-2, "momentum": 0.9, "validate_every": 3,
        "checkpoint_every": 3, "device": "cpu", "compile": True,
    }  # fmt: skip
    return TrainConfig(**(settings | changes))


def weights(trainer) -> list[torch.Tensor]:
    return list(trainer.model.network.state_dict().values())


def assert_equal(one, other) -> None:
    assert all(torch.equal(a, b) for a, b in zip(weights(one), weights(other)))


def run(trainer) -> list:
    """Run to the end; nothing is said, such as that it was not compiled after all."""
    events = list(trainer.run())
    assert not [e for e in events if isinstance(e, Adjusted)]
    return events


def test_a_compiled_run_learns_the_same_to_rounding(compiled_by):
    still = UNetConfig(depth=1, width=2, dropout=0.0, norm="batch")
    plain, compiled = (
        [
            e.loss
            for e in run(Trainer(bright_squares(4, 48), tiny(network=still, compile=c)))
            if isinstance(e, Step)
        ]
        for c in (False, True)
    )
    assert compiled == pytest.approx(plain, rel=ROUNDING)


def test_a_stopped_compiled_run_resumes_to_the_same_weights(compiled_by, tmp_path):
    through = Trainer(bright_squares(4, 48), tiny())
    run(through)
    events = Trainer(bright_squares(4, 48), tiny(), tmp_path / "r").run()
    next(e for e in events if isinstance(e, Step) and e.step == 4)
    events.close()
    torch._dynamo.reset()  # as in another process
    resumed = Trainer(bright_squares(4, 48), tiny(), tmp_path / "r", resume=True)
    run(resumed)
    assert_equal(resumed, through)
    with pytest.raises(CheckpointError, match="compile"):
        Trainer(bright_squares(4, 48), tiny(compile=False), tmp_path / "r", resume=True)


def test_one_size_of_tiles_is_compiled_once(compiled_by):
    graphs = []

    def counting(graph, _):
        graphs.append(graph)
        return graph.forward

    compiled_by(counting)
    assert isinstance(run(Trainer(bright_squares(4, 48), tiny()))[-1], Finished)
    assert len(graphs) == 1


def failing_forward(*_):
    raise RuntimeError("no C++ compiler\nand much more")


def failing_backward():
    from torch._dynamo.backends.common import aot_autograd

    def forward(graph, _):
        return graph.forward

    return aot_autograd(fw_compiler=forward, bw_compiler=failing_forward)


@pytest.mark.parametrize("backend", [failing_forward, failing_backward()])
def test_a_failing_compiler_is_one_sentence_and_training_goes_on(compiled_by, backend):
    compiled_by(backend)
    trainer = Trainer(bright_squares(4, 48), tiny())
    said = [e.message for e in trainer.run() if isinstance(e, Adjusted)]
    assert len(said) == 1
    assert "could not be compiled" in said[0]
    assert "C++ compiler" in said[0]
    assert "\n" not in said[0]
    plain = Trainer(bright_squares(4, 48), tiny(compile=False))
    run(plain)
    assert_equal(trainer, plain)


def test_an_error_that_is_no_compilers_is_raised(compiled_by, monkeypatch):
    trainer = Trainer(bright_squares(4, 48), tiny())
    events = trainer.run()
    next(events)

    def broken(*_, **__):
        raise ValueError("broken")

    monkeypatch.setattr(learner, "batch_share", broken)
    with pytest.raises(ValueError, match="broken"):
        list(events)
