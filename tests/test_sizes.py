"""Functions, classes and docks stay short enough to be read at a glance."""

from __future__ import annotations

import ast
from pathlib import Path

import napari_unet

SOURCE = Path(napari_unet.__file__).parent
FUNCTION, CLASS, DOCK = 50, 300, 250  # lines


def nodes(kind):
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, kind):
                yield path.relative_to(SOURCE), node


def lines(node):
    """Lines of a function or class without its docstring."""
    n = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node) is not None:
        n -= node.body[0].end_lineno - node.body[0].lineno + 1
    return n


def longer(found, most):
    return [f"{path}: {node.name}, {lines(node)}" for path, node in found if lines(node) > most]


def test_lines_are_counted_without_the_docstring():
    source = 'def f():\n    """One.\n\n    Two.\n    """\n    x = 1\n\n    return x\n'
    assert lines(ast.parse(source).body[0]) == 4


def test_functions_are_short():
    assert not longer(nodes((ast.FunctionDef, ast.AsyncFunctionDef)), FUNCTION)


def test_classes_are_short():
    assert not longer(nodes(ast.ClassDef), CLASS)


def test_files_of_docks_are_short():
    docks = list(SOURCE.rglob("*_dock.py"))
    assert len(docks) >= 6
    counts = {path.name: len(path.read_text("utf-8").splitlines()) for path in docks}
    assert {name: n for name, n in counts.items() if n > DOCK} == {}
