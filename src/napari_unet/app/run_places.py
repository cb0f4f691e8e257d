"""Where runs are saved by default, and which runs are there."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING

from napari_unet.base.atomic_files import unwritable
from napari_unet.base.errors import CheckpointError
from napari_unet.base.places import documents_folder, home_folder
from napari_unet.base.regular_files import is_regular, opened
from napari_unet.training.begun import FILE_NAME as BEGUN
from napari_unet.training.journal import FILE_NAME as JOURNAL

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "claim_run",
    "from_home",
    "interrupted_runs",
    "is_painted",
    "new_run",
    "painted_runs",
    "recent_runs",
    "runs_folder",
    "short_path",
]


def runs_folder() -> Path:
    """Return the folder that holds the runs: beside the user's own documents, easy to find."""
    return documents_folder() / "napari-unet" / "runs"


def new_run(stack: str, preset: str, folder: Path | None = None) -> Path:
    """Return the path of a run folder that does not exist yet.

    Parameters
    ----------
    stack, preset : str
        Names that tell runs apart.
    folder : Path, optional
        Where runs lie; `runs_folder` by default.

    Returns
    -------
    Path
        Such as ``…/runs/2026-11-23-em-fast``, with ``-2``, ``-3`` … when that one is taken.
    """
    folder = folder or runs_folder()
    words = re.sub(r"[^\w.]+", "-", f"{stack}-{preset}".lower()).strip("-.") or "run"
    name = f"{dt.date.today().isoformat()}-{words[:60]}"
    path, number = folder / name, 2
    while path.exists():
        path = folder / f"{name}-{number}"
        number += 1
    return path


def claim_run(stack: str, preset: str, folder: Path | None = None) -> Path:
    """Make the folder of a new run, which nobody else who asks at the same time gets.

    Parameters
    ----------
    stack, preset, folder
        As of `new_run`.

    Raises
    ------
    CheckpointError
        It cannot be made.
    """
    while True:
        path = new_run(stack, preset, folder)
        try:
            path.mkdir(parents=True)
        except FileExistsError as error:
            if not path.is_dir():  # a file is where a folder should be
                raise unwritable(path, error) from error
        except OSError as error:
            raise unwritable(path, error) from error
        else:
            return path


def recent_runs(folder: Path | None = None, n: int = 12) -> list[Path]:
    """Return the runs of a folder that hold something to load or resume, newest first.

    Parameters
    ----------
    folder : Path, optional
        Where runs lie; `runs_folder` by default.
    n : int
        Most runs to return.
    """
    return _newest(folder or runs_folder(), lambda run: run / "run.json")[:n]


def _newest(folder: Path, file_of: Callable[[Path], Path]) -> list[Path]:
    """Runs that have a file, that with the newest one first."""
    try:
        runs = [path for path in folder.iterdir() if file_of(path).is_file()]
        return sorted(runs, key=lambda run: file_of(run).stat().st_mtime, reverse=True)
    except OSError:
        return []


def interrupted_runs(folder: Path | None = None) -> list[Path]:
    """Return the recent runs that can be resumed: begun, saved, not finished, not painted into."""
    return [path for path in recent_runs(folder) if not is_painted(path) and _is_resumable(path)]


def painted_runs(folder: Path | None = None, n: int = 12) -> list[Path]:
    """Return the runs that were painted into, and can be painted into again; newest first.

    Also those that ended before their training began.
    """
    painted = _newest(folder or runs_folder(), lambda run: run / JOURNAL)
    told = ("run.json", BEGUN)
    return [run for run in painted if any((run / name).is_file() for name in told)][:n]


def is_painted(run: Path) -> bool:
    """Tell whether a run was painted into."""
    return is_regular(run / JOURNAL)


def _is_resumable(run: Path) -> bool:
    if not is_regular(run / "state.pt"):
        return False
    try:
        with opened(run / "history.jsonl", "history") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 4096))
            return b'"Finished"' not in stream.read()
    except CheckpointError:
        return False


def from_home(path: Path) -> str:
    """Return a path with the home folder as ``~``."""
    home = home_folder()
    if home is not None and path != home and path.is_relative_to(home):
        return str(Path("~") / path.relative_to(home))
    return str(path)


def short_path(path: Path, length: int = 44) -> str:
    """Return a path that fits a narrow dock: the home folder as ``~``, the middle as ``…``.

    Examples
    --------
    >>> short_path(Path("/data/lab/microscope/2026/napari-unet/runs/2026-11-23-em-fast"))
    '/data/…/runs/2026-11-23-em-fast'
    """
    text = from_home(path)
    path = Path(text)
    parts = path.parts
    if len(text) <= length or len(parts) < 5:
        return text
    return str(Path(*parts[:2], "…", *parts[-2:]))
