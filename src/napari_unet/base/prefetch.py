"""Work done in a background thread, one item ahead of whoever takes the results."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

__all__ = ["ahead"]

T = TypeVar("T")
R = TypeVar("R")


def ahead(work: Callable[[T], R], items: Iterable[T], name: str) -> Generator[R, None, None]:
    """Yield ``work(item)`` of each item in order; the next is under way meanwhile.

    Parameters
    ----------
    work
        What is done to an item, in a thread of its own, one item at a time.
    items
        Taken in the consumer's thread, at most two before their results are.
    name
        Of the thread.

    Yields
    ------
    R
        The results. An error in `work` or in `items` is raised here, in its turn. Closing the
        generator forgets what was not begun, waits for what was, and leaves no thread.
    """
    thread = ThreadPoolExecutor(1, name)
    try:
        waiting: Future[R] | None = None
        source, failure = iter(items), None
        while True:
            try:
                begun = thread.submit(work, next(source))
            except StopIteration:
                break
            except Exception as error:  # in its turn: what was begun before comes first
                failure = error
                break
            if waiting is not None:
                yield waiting.result()
            waiting = begun
        if waiting is not None:
            yield waiting.result()
        if failure is not None:
            raise failure
    finally:
        thread.shutdown(wait=True, cancel_futures=True)
