"""The race between ways to compute on a CPU, and the memory of its answers."""

import json
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import torch

from napari_unet.config.network import UNetConfig
from napari_unet.network import probe
from napari_unet.network.choice import choose
from napari_unet.network.compute import Compute
from napari_unet.network.inference import bytes_per_pixel
from napari_unet.network.unet import forward_flops

LARGE = UNetConfig(width=16)  # worth probing
PLAIN, LAST = Compute(threads=4), Compute(threads=4, channels_last=True)
HALF = Compute(threads=4, dtype="bfloat16", channels_last=True)


@pytest.fixture
def answers(monkeypatch, tmp_path):
    file = tmp_path / "cache" / "compute.json"
    monkeypatch.setattr(probe, "_answers_file", lambda: file)
    return file


@pytest.fixture
def timings(monkeypatch, answers):
    """Seconds that a step takes by (dtype, channels_last) or threads; 1 if not said."""
    seconds = {}
    timed = []

    def race(ways, step, deadline, grace=0.0):
        timed.extend(ways)
        return {
            way: seconds.get((way.dtype, way.channels_last), 1.0) * seconds.get(way.threads, 1.0)
            for way in ways
        }

    monkeypatch.setattr(probe, "_race", race)
    monkeypatch.setattr(probe, "_has_bfloat16_units", lambda: True)
    monkeypatch.setattr(probe, "_clocks", lambda: (0.0, 0.0))
    seconds["timed"] = timed
    return seconds


def fastest(threads=4, network=LARGE, purpose="train"):
    return probe.fastest_on_cpu(network, purpose, threads)


def test_the_fastest_way_is_taken_and_remembered(timings, answers):
    timings["float32", True] = 0.5
    assert fastest() == LAST
    assert json.loads(answers.read_text())
    count = len(timings["timed"])
    timings["float32", True] = 5.0
    assert fastest() == LAST, "the answer of the first time"
    assert len(timings["timed"]) == count


def test_choose_asks_the_probe(timings):
    timings["float32", True] = 0.5
    assert choose("cpu", LARGE).channels_last


def test_plain_float32_wins_what_is_nearly_a_tie(timings):
    timings["float32", True] = 0.97
    assert fastest() == PLAIN


def test_bfloat16_is_tried_only_with_units_for_it(timings, answers, monkeypatch):
    timings["bfloat16", True] = 0.2
    monkeypatch.setattr(probe, "_has_bfloat16_units", lambda: False)
    assert fastest().dtype == "float32"
    answers.unlink()
    monkeypatch.setattr(probe, "_has_bfloat16_units", lambda: True)
    assert fastest() == HALF


@pytest.mark.parametrize(
    ("count", "tried"), [(1, {1}), (2, {2, 1}), (3, {3, 2, 1}), (8, {8, 7, 4})]
)
def test_threads_are_raced_too(timings, count, tried):
    fastest(count)
    assert {way.threads for way in timings["timed"]} == tried


def test_fewer_threads_are_taken_where_they_are_clearly_faster(timings, answers):
    timings["bfloat16", True] = 0.5
    timings[3] = 0.97
    assert fastest() == HALF
    answers.unlink()
    timings[2] = 0.6
    assert fastest() == Compute("cpu", "bfloat16", channels_last=True, threads=2)
    assert fastest().threads == 2, "remembered"


def test_threads_are_not_raced_against_other_programs(timings, monkeypatch):
    """Their part of the cores would be taken for a fault of ours, and remembered."""
    timings["bfloat16", True] = 0.5
    timings[2] = 0.6
    readings = iter([(0.0, 5.0), (1.0, 6.5)])  # one and a half cores
    monkeypatch.setattr(probe, "_clocks", lambda: next(readings))
    assert fastest() == HALF
    assert {way.threads for way in timings["timed"]} == {4}


@pytest.mark.skipif(sys.platform != "linux", reason="the system's account is Linux's")
def test_other_programs_are_noticed_and_oneself_is_not():
    loop = "import time\nend = time.time() + 30\nwhile time.time() < end: pass"
    with probe._Others() as own:
        begun, end = time.perf_counter(), time.process_time() + 0.5
        while time.process_time() < end:
            pass
        mine = 0.5 / (time.perf_counter() - begun)
    with subprocess.Popen([sys.executable, "-c", loop]) as other:
        try:
            time.sleep(1.0)
            with probe._Others() as both:
                time.sleep(0.5)
        finally:
            other.kill()
    assert both.cores > 0.3
    # Whatever else the machine does, the own half second is not in it (a tick is 10 ms).
    assert own.cores <= os.cpu_count() - mine + 0.05


def test_tiles_are_timed_as_long_as_time_lasts(timings, monkeypatch):
    monkeypatch.setattr(probe, "PROBE_SECONDS", 60.0)  # enough on a slow computer, too
    found = fastest(network=UNetConfig(depth=2, width=24), purpose="predict")
    pixels = [pixels for pixels, _ in found.pace]
    assert pixels == sorted(pixels)
    assert 400**2 <= pixels[0] < 410**2
    assert all(nanoseconds > 0 for _, nanoseconds in found.pace)
    assert fastest(network=UNetConfig(depth=2, width=24), purpose="predict") == found, "remembered"
    monkeypatch.setattr(probe, "PROBE_SECONDS", 0.0)
    assert fastest(network=UNetConfig(depth=2, width=25), purpose="predict").pace == ()


def test_tiles_that_memory_does_not_hold_are_not_timed(timings, monkeypatch):
    network = UNetConfig(depth=2, width=24)
    room = int(500**2 * bytes_per_pixel(network) / 0.4)
    monkeypatch.setattr(probe, "available_memory", lambda device: room)
    assert fastest(network=network, purpose="predict").pace == ()  # one size is no comparison

    def short(*args):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(probe, "available_memory", lambda device: 100 * room)
    monkeypatch.setattr(probe, "forward_logits", short)
    assert fastest(network=UNetConfig(depth=2, width=25), purpose="predict").pace == ()


def test_training_does_not_time_tiles(timings):
    assert fastest(purpose="train").pace == ()


def test_the_pace_between_two_sizes_by_hand():
    way = Compute(pace=((100, 2.0), (300, 4.0)))
    assert [way.seconds_per_pixel(n) for n in (50, 100, 200, 300, 900)] == [2, 2, 3, 4, 4]
    assert Compute().seconds_per_pixel(7) == 1.0


def test_an_answer_that_cannot_be_kept_is_not_used(timings, monkeypatch, tmp_path):
    """It might differ the next time, and the weights of the same seed with it."""
    (tmp_path / "a file").touch()  # under which nothing can be kept
    monkeypatch.setattr(probe, "_answers_file", lambda: tmp_path / "a file" / "compute.json")
    timings["float32", True] = 0.1
    assert fastest() == PLAIN


@pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 3}'])
def test_a_damaged_memory_is_replaced(timings, answers, content):
    answers.parent.mkdir()
    answers.write_text(content)
    timings["float32", True] = 0.5
    assert fastest() == LAST
    assert len(json.loads(answers.read_text())) >= 1


def test_training_and_prediction_are_probed_apart(timings, answers):
    fastest(purpose="train")
    fastest(purpose="predict")
    assert len(json.loads(answers.read_text())) == 2


def test_tiny_networks_are_not_probed(timings):
    assert fastest(network=UNetConfig(depth=1, width=2)) == PLAIN
    assert timings["timed"] == []


# -- the race itself, with a clock that only steps move ------------------------


@pytest.fixture
def clock(monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(probe, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    return clock


def step_of(clock, seconds):
    """Return a step that takes the next of the seconds listed for its way, or the last one."""

    def step(way):
        left = seconds[way]
        clock.now += left.pop(0) if len(left) > 1 else left[0]

    return step


def test_the_first_round_does_not_count(clock):
    step = step_of(clock, {PLAIN: [9.0, 0.2, 0.1], HALF: [0.1, 0.4, 0.3]})
    assert probe._race([PLAIN, HALF], step, deadline=99.0) == pytest.approx({PLAIN: 0.1, HALF: 0.3})


def test_the_first_round_counts_where_there_is_time_for_no_other(clock):
    step = step_of(clock, {PLAIN: [1.0], HALF: [0.6]})
    assert probe._race([PLAIN, HALF], step, deadline=3.0) == pytest.approx({PLAIN: 1.0, HALF: 0.6})
    assert clock.now <= 3.0


def test_a_slow_first_round_is_not_the_last_word_within_the_grace(clock):
    """A busy machine, and kernels that are made on first use: bfloat16's take longest."""
    slow_start = {PLAIN: [1.0, 0.2], HALF: [1.4, 0.1]}
    fair = probe._race([PLAIN, HALF], step_of(clock, slow_start), deadline=2.0, grace=3.0)
    assert fair == pytest.approx({PLAIN: 0.2, HALF: 0.1})
    assert clock.now == pytest.approx(2.7)  # one round more, not as many as the grace holds


def test_a_race_that_never_began_changes_nothing(clock):
    clock.now = 4.0
    assert probe._race([PLAIN, HALF], step_of(clock, {}), deadline=3.0) == {}
    assert probe._winner({}, PLAIN) == PLAIN
    assert probe._winner({HALF: 0.1}, PLAIN) == PLAIN, "nothing to compare with"


def test_a_race_stops_at_its_deadline(clock):
    step = step_of(clock, {PLAIN: [0.3], LAST: [0.3], HALF: [0.3]})
    probe._race([PLAIN, LAST, HALF], step, deadline=3.0)
    assert clock.now <= 3.0


# -- real steps ----------------------------------------------------------------


@pytest.mark.parametrize("purpose", ["train", "predict"])
def test_a_real_probe_leaves_random_numbers_and_threads_alone(purpose):
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    threads = torch.get_num_threads()
    found = probe._probe(UNetConfig(depth=1, width=2), purpose, Compute(threads=2))
    assert found.threads in (1, 2)
    assert torch.rand(1) == expected
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    "network", [UNetConfig(width=w, depth=d) for w in (4, 64, 256) for d in (0, 4)]
)
def test_what_is_timed_is_a_part_of_the_network_that_takes_milliseconds(network):
    config, side = probe._sample(network)
    assert config.width == network.width
    assert config.depth <= network.depth
    assert forward_flops(config, side, side) <= probe.PROBE_FLOPS
    assert side <= probe.LARGEST_SIDE
