"""What was measured, kept as small files that a page is made of."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_unet.base.errors import InputError

__all__ = ["RESULTS", "Course", "read_all"]

RESULTS = Path(__file__).resolve().parents[2] / "docs" / "quality"
POINT = {"budget", "seconds", "steps", "how", "scores"}


@dataclass
class Course:
    """The curve of one tool on one kind of data.

    Attributes
    ----------
    tool, task : str
        Keys of `benchmarks.quality.tools.TOOLS` and `benchmarks.quality.tasks.TASKS`.
    seed : int
        Of the training.
    about : dict
        Processor and versions.
    points : list of dict
        ``budget`` and ``seconds`` (asked for and spent on the processor), ``steps``, ``how`` and
        ``scores``: for each way to predict ("plain", "mirrored") name and value.
    """

    tool: str
    task: str
    seed: int = 0
    about: dict[str, Any] = field(default_factory=dict)
    points: list[dict[str, Any]] = field(default_factory=list)

    @property
    def file_name(self) -> str:
        """Where it is kept inside the folder of results."""
        return f"{self.task}-{self.tool}-seed-{self.seed}.json"

    def add(self, point: dict[str, Any]) -> None:
        """Add a point, in place of one with the same budget."""
        others = [one for one in self.points if one["budget"] != point["budget"]]
        self.points = sorted([*others, point], key=lambda one: float(one["budget"]))

    def write(self, folder: Path = RESULTS) -> Path:
        """Write the file."""
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / self.file_name
        file.write_text(json.dumps(self.__dict__, indent=1, ensure_ascii=False) + "\n", "utf-8")
        return file

    @classmethod
    def read(cls, file: Path) -> Course:
        """Read what `write` wrote.

        Raises
        ------
        InputError
            If a point lacks something.
        """
        course = cls(**json.loads(file.read_text("utf-8")))
        for point in course.points:
            lacking = POINT - set(point)
            if lacking:
                raise InputError(
                    f"{file.name} has a point without {', '.join(sorted(lacking))}: measure it "
                    "again."
                )
        return course

    @classmethod
    def begun(cls, tool: str, task: str, seed: int, folder: Path = RESULTS) -> Course:
        """Return what was measured before, or an empty course."""
        course = cls(tool, task, seed)
        file = folder / course.file_name
        return cls.read(file) if file.exists() else course


def read_all(folder: Path = RESULTS) -> list[Course]:
    """Read all that was measured."""
    return [Course.read(file) for file in sorted(folder.glob("*.json"))]
