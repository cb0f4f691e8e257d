"""Freed memory stays with the process while something computes, and not afterwards."""

import subprocess
import sys

import pytest

from napari_unet.base import kept_memory as heap

needs_glibc = pytest.mark.skipif(heap._glibc() is None, reason="only glibc can be told so")

# In a process of its own: what else was allocated before decides where blocks lie.
SCRIPT = """
import resource
import torch
from napari_unet.base.kept_memory import kept_heap

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        torch.ones(2**25, dtype=torch.uint8)  # 32 MiB: 8,192 pages
        torch.ones(2**27, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 2**20

faults()
usual = faults()
with kept_heap():
    faults()
    with kept_heap():
        kept = faults()
    still = faults()
    within = resident()
print(usual, kept, still, within - resident())
"""


@needs_glibc
def test_freed_memory_is_kept_and_given_back():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    usual, kept, still, given_back = map(float, done.stdout.split())
    assert usual > 5 * 2**15  # every page of the larger block, each time
    assert kept < usual / 50
    assert still < usual / 50  # the inner user's end is not the outer's
    assert given_back > 100  # MiB


def test_nothing_is_asked_of_other_systems(monkeypatch):
    heap._glibc.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    try:
        with heap.kept_heap():
            assert heap._glibc() is None
        heap.share_one_heap()
    finally:
        heap._glibc.cache_clear()


@needs_glibc
def test_what_fails_within_ends_the_keeping():
    before = heap._users
    with pytest.raises(ZeroDivisionError), heap.kept_heap():
        heap._users // 0
    assert heap._users == before
