"""What every test sees: a quiet environment, few threads, and the real data where there is any."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# Machines differ, and may be busy: no example is to be fast, the whole suite is.
settings.register_profile("machine", deadline=None)
settings.load_profile("machine")

# Before napari is imported by anyone: settings are not read or kept, leaked Qt objects fail.
os.environ["NAPARI_CONFIG"] = ""
os.environ["NAPARI_STRICT_QT"] = "1"
# Before torch or numpy start their pools: tests of several files may share two cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

CHECKOUT = Path(__file__).resolve().parent.parent


def find_data() -> Path | None:
    """Folder of the real data sets: ``NAPARI_UNET_DATA``, else ``../shared/data``, else None."""
    named = os.environ.get("NAPARI_UNET_DATA")
    if named:
        return Path(named)
    beside = CHECKOUT.parent / "shared" / "data"
    return beside if beside.is_dir() else None


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of the real data sets; skip the test where there is none."""
    folder = find_data()
    if folder is None:
        pytest.skip("needs the real data sets: set NAPARI_UNET_DATA to their folder")
    if not folder.is_dir():
        pytest.skip(f"NAPARI_UNET_DATA names {folder}, which is no folder")
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Compute on one thread in tests that use torch; the others never import it."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _no_user_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    """Caches and settings go to a temporary folder, so no test sees or leaves anything behind."""
    home = tmp_path_factory.getbasetemp() / "home"
    for variable, name in (
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_DATA_HOME", "data"),
        ("XDG_STATE_HOME", "state"),
    ):
        monkeypatch.setenv(variable, str(home / name))
