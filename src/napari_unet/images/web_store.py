"""A zarr store over http that needs nothing but requests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import requests
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from zarr.core.buffer import Buffer, BufferPrototype

__all__ = ["WebStore"]


class WebStore(Store):  # type: ignore[misc]
    """Read-only zarr store over http: one request per chunk, no listing."""

    supports_writes = False
    supports_deletes = False
    supports_listing = False

    def __init__(self, address: str) -> None:
        super().__init__(read_only=True)
        self.address = address.rstrip("/")
        self._session = requests.Session()
        # Chunks are fetched by several threads at once.
        self._session.mount("http", requests.adapters.HTTPAdapter(pool_maxsize=16, max_retries=2))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, WebStore) and other.address == self.address

    def __hash__(self) -> int:
        return hash(self.address)

    def __repr__(self) -> str:
        return f"WebStore({self.address!r})"

    async def get(
        self, key: str, prototype: BufferPrototype, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a key, or a part of it; None if it is not there."""
        content = await asyncio.to_thread(self._fetch, key, byte_range)
        return None if content is None else prototype.buffer.from_bytes(content)

    def _fetch(self, key: str, byte_range: ByteRequest | None) -> bytes | None:
        headers = {}
        if isinstance(byte_range, RangeByteRequest):
            headers["Range"] = f"bytes={byte_range.start}-{byte_range.end - 1}"
        elif isinstance(byte_range, OffsetByteRequest):
            headers["Range"] = f"bytes={byte_range.offset}-"
        elif isinstance(byte_range, SuffixByteRequest):
            headers["Range"] = f"bytes=-{byte_range.suffix}"
        answer = self._session.get(f"{self.address}/{key}", headers=headers, timeout=30)
        if answer.status_code in (403, 404):  # object stores say 403 for what is not there
            return None
        answer.raise_for_status()
        content = answer.content
        if byte_range is not None and answer.status_code == 200:  # the server ignores ranges
            content = content[_as_slice(byte_range)]
        return content

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Read several parts, one after the other."""
        return [await self.get(key, prototype, one) for key, one in key_ranges]

    async def exists(self, key: str) -> bool:
        """Tell whether a key is there."""
        return await asyncio.to_thread(self._fetch, key, None) is not None

    async def set(self, key: str, value: Buffer) -> None:
        """Refuse."""
        raise NotImplementedError("a web address cannot be written")

    async def delete(self, key: str) -> None:
        """Refuse."""
        raise NotImplementedError("a web address cannot be written")

    def list(self) -> AsyncIterator[str]:
        """Refuse: a web server does not tell its files."""
        raise NotImplementedError("a web address cannot be listed")

    def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Refuse, as ``list``."""
        raise NotImplementedError("a web address cannot be listed")

    def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Refuse, as ``list``."""
        raise NotImplementedError("a web address cannot be listed")


def _as_slice(byte_range: ByteRequest) -> slice:
    if isinstance(byte_range, RangeByteRequest):
        return slice(byte_range.start, byte_range.end)
    if isinstance(byte_range, OffsetByteRequest):
        return slice(byte_range.offset, None)
    return slice(-byte_range.suffix, None)
