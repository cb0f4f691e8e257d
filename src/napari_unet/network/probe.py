"""What is fastest on this CPU: a short timed race, whose answer is remembered.

Precision, memory format and threads change the speed by factors, and not always as expected:
bfloat16 pays on processors with units for it and costs on others, and the last core may be worth
less than nothing. So each way takes real steps of the network, cut down to what fits into
`PROBE_SECONDS`. Then tiles of several sizes are predicted as long as that time lasts: large ones
compute fewer pixels twice, but leave the processor's caches. `network.tiles.plan_tiles` weighs
one against the other.

Other programs disturb the race, and its answer is kept. Precisions and formats suffer alike from
them, but threads do not; where others are at work, all threads are taken without asking.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import platform
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import torch
from pydantic import Field, with_config
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from napari_unet.base.kept_answers import KeptAnswers
from napari_unet.base.kept_memory import kept_heap
from napari_unet.base.places import cache_folder
from napari_unet.config.size_rule import next_valid_size, smallest_input
from napari_unet.network.compute import Compute, available_memory, is_out_of_memory, limit_threads
from napari_unet.network.inference import (
    MEMORY_SHARE,
    bytes_per_pixel,
    forward_logits,
    network_for_inference,
)
from napari_unet.network.unet import UNet, forward_flops

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_unet.config.network import UNetConfig

__all__ = ["fastest_on_cpu"]

Purpose = Literal["train", "predict"]

PROBE_SECONDS = 3.0
PROBE_FLOPS = 2e9  # of one forward pass; a training step is three times that
LARGEST_SIDE = 572  # px of the probe's tile
ROUNDS = 10  # after one that warms up
WORTH_PROBING = 2e8  # FLOP of a small tile; less takes milliseconds in any way
CLEARLY = 0.95  # of the time: what another way may take at most to be preferred
TILE_SIDES = (400, 700, 1000, 1400, 2048)  # px, about
OTHERS = 0.25  # cores that other programs may use without disturbing a race of threads
VERSION = 4  # of the race; other answers are not comparable


def fastest_on_cpu(network: UNetConfig, purpose: Purpose, threads: int) -> Compute:
    """Return the fastest way to compute, from memory or from a race.

    Parameters
    ----------
    network : UNetConfig
        Shape of the network.
    purpose : {"train", "predict"}
        A training step and a forward pass may favour different ways.
    threads : int
        Threads that may be used; the answer may have fewer.

    Returns
    -------
    Compute
        Plain float32 on all threads where nothing else is clearly faster, the network is too
        small to matter, or the answer cannot be kept: it might differ the next time, and the
        weights of the same seed with it.
    """
    plain = Compute("cpu", threads=threads)
    side = next_valid_size(smallest_input(network.depth) + 48, network.depth)
    if forward_flops(network, side, side) < WORTH_PROBING:
        return plain
    key = _key(network, purpose, threads)
    known = _answers().get(key)
    if known is not None and known["threads"] <= threads:
        return replace(
            plain,
            dtype=known["dtype"],
            channels_last=known["channels_last"],
            threads=known["threads"],
            pace=tuple(known["pace"]),
        )
    answer = _probe(network, purpose, plain)
    kept: Answer = {
        "dtype": answer.dtype,
        "channels_last": answer.channels_last,
        "threads": answer.threads,
        "pace": list(answer.pace),
    }
    return answer if _answers().put(key, kept) else plain


Pixels = Annotated[int, Field(ge=1, le=10**12)]
Nanoseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@with_config(extra="forbid")
class Answer(TypedDict):
    """What is remembered of a way of computing."""

    dtype: Literal["float32", "bfloat16"]
    channels_last: bool
    threads: Annotated[int, Field(ge=1)]
    pace: list[tuple[Pixels, Nanoseconds]]


# -- the race ------------------------------------------------------------------


def _probe(network: UNetConfig, purpose: Purpose, plain: Compute) -> Compute:
    """Race precisions and memory formats; then threads in the winner's; then time tiles."""
    begun = time.perf_counter()
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=[]), kept_heap():
        step = _stepper(network, purpose)
        ways = [plain, replace(plain, channels_last=True)]
        if _has_bfloat16_units():
            ways.insert(1, replace(plain, dtype="bfloat16", channels_last=True))
        with _Others() as others:
            found = _race(ways, step, begun + 0.6 * PROBE_SECONDS, grace=PROBE_SECONDS)
            best = _winner(found, plain)
        fewer = [replace(best, threads=n) for n in _fewer(plain.threads)]
        if fewer and others.cores < OTHERS:
            best = _winner(_race([best, *fewer], step, begun + PROBE_SECONDS), best)
        if purpose == "predict":
            best = replace(best, pace=_pace(network, best, begun + PROBE_SECONDS))
    torch.set_num_threads(threads)
    return best


class _Others:
    """Counts the cores that other programs keep busy meanwhile; 0 where the system does not say."""

    cores = 0.0

    def __enter__(self) -> Self:
        self._begun = _clocks()
        return self

    def __exit__(self, *_: object) -> None:
        elapsed, busy = (now - then for now, then in zip(_clocks(), self._begun))
        self.cores = busy / elapsed if elapsed > 0 else 0.0


def _clocks() -> tuple[float, float]:
    """Seconds by the clock, and seconds that all cores together have spent on others."""
    with suppress(OSError, ValueError, IndexError):
        line = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
        user, nice, system, _idle, _wait, *interrupts = (int(word) for word in line.split()[1:])
        busy = (user + nice + system + sum(interrupts[:3])) / os.sysconf("SC_CLK_TCK")
        return time.perf_counter(), busy - time.process_time()
    return time.perf_counter(), 0.0


def _pace(network: UNetConfig, way: Compute, deadline: float) -> tuple[tuple[int, float], ...]:
    """Pixels of tiles, and nanoseconds that each of them takes, as far as time allows."""
    limit_threads(way)
    ready = network_for_inference(UNet(network), way)
    room = MEMORY_SHARE * available_memory("cpu") / bytes_per_pixel(network)
    found: list[tuple[int, float]] = []
    for about in TILE_SIDES:
        side = next_valid_size(about, network.depth)
        expected = found[-1][1] * 1e-9 * side**2 if found else 0.0
        repeats = 1 if found else 2  # the very first one prepares much
        if time.perf_counter() + 1.5 * repeats * expected > deadline or side**2 > room:
            break
        try:
            image = torch.rand(1, network.in_channels, side, side)
            seconds = min(
                _seconds(lambda: forward_logits(ready, image, way))  # noqa: B023 - called at once
                for _ in range(repeats)
            )
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            break
        found.append((side**2, round(1e9 * seconds / side**2, 3)))
    return tuple(found) if len(found) > 1 else ()


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _fewer(threads: int) -> list[int]:
    """Counts that may be faster: one core left to the system, or one thread a core, not two."""
    return sorted({n for n in (threads - 1, threads // 2) if n >= 1}, reverse=True)


def _race(
    ways: Sequence[Compute],
    step: Callable[[Compute], object],
    deadline: float,
    grace: float = 0.0,
) -> dict[Compute, float]:
    """Shortest seconds of each way, in rounds, as long as another round fits before the deadline.

    The first round warms up, and counts only where there is no second one; where other programs
    made it slow, the second may take the seconds of grace. A way that the deadline left out is
    not in the answer.
    """
    rounds: list[dict[Compute, float]] = []
    lap = 0.0
    while len(rounds) <= ROUNDS:
        extra = grace if len(rounds) < 2 else 0.0
        if time.perf_counter() + lap >= deadline + extra:
            break
        begun = time.perf_counter()
        found: dict[Compute, float] = {}
        for way in ways:
            start = time.perf_counter()
            step(way)
            found[way] = time.perf_counter() - start
            if not rounds and time.perf_counter() > deadline + grace:
                return found
        rounds.append(found)
        lap = time.perf_counter() - begun
    counted = rounds[1:] or rounds
    return {way: min(each[way] for each in counted) for way in ways} if counted else {}


def _winner(seconds: dict[Compute, float], usual: Compute) -> Compute:
    """Return the fastest way if it is clearly faster than the usual one."""
    if usual not in seconds:
        return usual
    fastest = min(seconds, key=lambda way: seconds[way])
    return fastest if seconds[fastest] <= CLEARLY * seconds[usual] else usual


def _stepper(network: UNetConfig, purpose: Purpose) -> Callable[[Compute], object]:
    """Return a function that takes one step in the way asked for."""
    config, side = _sample(network)
    original = UNet(config)
    image = torch.rand(1, config.in_channels, side, side)
    ready: dict[tuple[str, bool], UNet] = {}

    def step(way: Compute) -> None:
        limit_threads(way)
        key = way.dtype, way.channels_last
        if purpose == "predict":
            if key not in ready:
                ready[key] = network_for_inference(original, way)
            forward_logits(ready[key], image, way)
            return
        if key not in ready:
            ready[key] = way.place(copy.deepcopy(original)).train()
        ready[key].zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=way.dtype == "bfloat16"):
            logits = ready[key](image.contiguous(memory_format=way.memory_format))
        logits.float().square().mean().backward()

    return step


def _sample(network: UNetConfig) -> tuple[UNetConfig, int]:
    """As many of the upper levels of a network, and as large a tile, as `PROBE_FLOPS` allow."""
    for depth in range(network.depth, -1, -1):
        config = replace(network, depth=depth)
        side = smallest_input(depth) + 3 * 2**depth
        if forward_flops(config, side, side) <= PROBE_FLOPS:
            break
    larger = side + 2**depth
    while larger <= LARGEST_SIDE and forward_flops(config, larger, larger) <= PROBE_FLOPS:
        side, larger = larger, larger + 2**depth
    return config, side


def _has_bfloat16_units() -> bool:
    """Whether this processor has matrix or dot-product units for bfloat16."""
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    if any(getattr(torch.cpu, check, lambda: False)() for check in checks):
        return True
    return platform.machine() in ("arm64", "aarch64") and "bf16" in _cpu_flags()


def _cpu_flags() -> str:
    with suppress(OSError):
        return Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    return ""


# -- the memory of answers -------------------------------------------------------


def _key(network: UNetConfig, purpose: str, threads: int) -> str:
    described = [
        VERSION,
        platform.node(),
        platform.processor() or platform.machine(),
        torch.backends.cpu.get_cpu_capability(),
        torch.__version__,
        network.to_dict(),
        purpose,
        threads,
    ]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]


def _answers() -> KeptAnswers[Answer]:
    return KeptAnswers(_answers_file(), Answer)


def _answers_file() -> Path:
    return cache_folder() / "compute.json"
