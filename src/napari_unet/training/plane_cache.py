"""A bounded memory for what was prepared of planes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["PlaneCache"]

T = TypeVar("T")


class PlaneCache:
    """What was prepared most recently, bounded by its bytes; safe to use from several threads.

    Parameters
    ----------
    limit
        Bytes. The newest entry is kept even if it alone is larger.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self._entries: OrderedDict[tuple[Any, ...], tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[Any, ...], make: Callable[[], tuple[T, int]]) -> T:
        """Return the entry of `key`; `make` returns it and its bytes where it is missing."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                found: T = self._entries[key][0]
                return found
        made, size = make()  # unlocked: preparing one plane must not stop the use of another
        with self._lock:
            if key not in self._entries:
                self._entries[key] = (made, size)
                self.bytes += size
            while self.bytes > self.limit and len(self._entries) > 1:
                self.bytes -= self._entries.popitem(last=False)[1][1]
        return made

    def take(self, key: tuple[Any, ...]) -> Any | None:
        """Remove the entry of `key` and return it; None where there is none."""
        with self._lock:
            entry = self._entries.pop(key, None)
            if entry is None:
                return None
            self.bytes -= entry[1]
            return entry[0]

    def drop(self, token: object) -> None:
        """Forget all entries whose key begins with `token`."""
        with self._lock:
            for key in [key for key in self._entries if key[0] is token]:
                self.bytes -= self._entries.pop(key)[1]
