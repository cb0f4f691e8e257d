"""Runs cases in one process: reads their numbers, writes how each was answered.

``python -m tests.fuzz.worker WORLD KIND`` reads numbers from standard input, one a line, and
writes a line of JSON after each. Whoever started it looks at its time and memory.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from tests.fuzz.mutations import mutate
from tests.fuzz.world import COMMANDS_OF, bad_command


def main() -> None:
    """Serve cases until standard input ends."""
    world, kind = Path(sys.argv[1]), sys.argv[2]
    answers = os.fdopen(os.dup(1), "w")
    stop_after_first_step()
    for line in sys.stdin:
        number = int(line)
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            shutil.copytree(world, place, dirs_exist_ok=True, symlinks=True)
            os.chdir(place)
            os.environ["XDG_CACHE_HOME"] = str(place / "cache")
            command, what = case(kind, number, place)
            answers.write(json.dumps({"number": number, "begun": [command, what]}) + "\n")
            answers.flush()
            answered = answer(command)
            os.chdir("/")
            _open_up(place)
        answers.write(json.dumps({"number": number, "what": what, **answered}) + "\n")
        answers.flush()


def case(kind: str, number: int, place: Path) -> tuple[list[str], str]:
    """Make a case; return its command line, and in words what is wrong."""
    draw = random.Random(f"{kind}/{number}")
    if kind == "commands":
        with contextlib.suppress(OSError):
            os.mkfifo(place / "pipe")
            (place / "link").symlink_to(place / "link")
        return bad_command(draw), "a bad command line"
    name = draw.choice(sorted(COMMANDS_OF))
    others = [place / other for other in sorted(COMMANDS_OF)]
    done = mutate(place / name, draw, others)
    command = draw.choice(COMMANDS_OF[name])
    return [part.replace("{}", name) for part in command], f"{name}: {done}"


def answer(command: list[str]) -> dict[str, Any]:
    """Run one command line in this process; say whether the answer was a good one."""
    from napari_unet.cli import main as program

    out, err = io.StringIO(), io.StringIO()
    code: Any = None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = program(command)
    except SystemExit as left:
        code = left.code
    except BaseException:
        root = f"{Path(__file__).resolve().parents[2]}{os.sep}"  # figures name no computer
        trace = traceback.format_exc().replace(root, "")
        return {"good": False, "why": trace.strip().splitlines()[-1], "command": command,
                "trace": trace}  # fmt: skip
    said = err.getvalue()
    good, why = True, ""
    if code not in (0, 2):
        good, why = False, f"exit code {code}"
    elif "Traceback" in said or "Exception ignored" in said:
        good, why = False, "a traceback on standard error"
    elif code == 2 and not _is_sentence(said, out.getvalue()):
        good, why = False, "no sentence"
    if Path("payload-was-run").exists():
        good, why = False, "code was run"
    return {"good": good, "why": why, "code": code, "command": command, "said": said[-500:]}


def _is_sentence(err: str, out: str) -> bool:
    last = err.strip().splitlines()[-1:] or [""]
    return last[0].startswith("napari-unet") or "grave" in out or bool(out.strip())


def stop_after_first_step() -> None:
    """End a training after its first step: what is tried here is what comes before."""
    from napari_unet.training.events import Step
    from napari_unet.training.trainer import Trainer

    whole = Trainer.run

    def run(self: Trainer) -> Any:
        events = whole(self)
        try:
            for event in events:
                yield event
                if isinstance(event, Step) and event.step >= 3:
                    return
        finally:
            events.close()

    Trainer.run = run  # type: ignore[method-assign]


def _open_up(place: Path) -> None:
    for folder, _, _ in os.walk(place):
        with contextlib.suppress(OSError):
            os.chmod(folder, 0o700)  # noqa: PTH101


if __name__ == "__main__":
    main()
