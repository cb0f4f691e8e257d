"""A zarr hierarchy on a web server: zarr's own store, with sizes and deadlines.

What zarr and fsspec leave open is closed here: a body has a greatest size, a request a deadline, a
server that ignores ranges is noticed, and a refusal is an error. Only where metadata are looked
for does 403 mean "not there", as object stores say it that do not tell what they hold.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import Any

import aiohttp
from fsspec.implementations.http import HTTPFileSystem
from zarr.storage import FsspecStore

__all__ = ["LARGEST_BODY", "web_store"]

LARGEST_BODY = 2**30  # bytes of one chunk or shard
METADATA = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
SILENCE = 20.0  # seconds without a byte
WHOLE = 300.0  # seconds for one request


def web_store(address: str) -> FsspecStore:
    """Return a read-only store of an http or https address."""
    limits = aiohttp.ClientTimeout(total=WHOLE, sock_connect=SILENCE, sock_read=SILENCE)
    files = _BoundedFiles(
        asynchronous=True, client_kwargs={"timeout": limits}, skip_instance_cache=True
    )
    return FsspecStore(files, read_only=True, path=address.rstrip("/"))


class _BoundedFiles(HTTPFileSystem):  # type: ignore[misc]
    """Files of a web server, none larger than a chunk may be."""

    async def set_session(self) -> aiohttp.ClientSession:
        first = self._session is None
        session: aiohttp.ClientSession = await super().set_session()
        if first:  # asynchronous ones are left open by fsspec
            loop = asyncio.get_running_loop()
            weakref.finalize(self, self.close_session, loop, session)
        return session

    async def _cat_file(
        self, url: str, start: int | None = None, end: int | None = None, **options: Any
    ) -> bytes:
        headers = {}
        if start is not None or end is not None:
            span = f"{start}" if start is not None and start < 0 else f"{start or 0}-"
            headers["Range"] = f"bytes={span}{'' if end is None else end - 1}"
        session = await self.set_session()
        async with session.get(self.encode_url(url), headers=headers, **options) as answer:
            if answer.status == 403 and url.rsplit("/", 1)[-1] in METADATA:
                raise FileNotFoundError(url)
            self._raise_not_found_for_status(answer, url)
            body = bytearray()
            async for part in answer.content.iter_any():
                body += part
                if len(body) > LARGEST_BODY:
                    raise ValueError(f"{url} is larger than {LARGEST_BODY >> 20} MiB")
        whole = bytes(body)
        return whole[start:end] if headers and answer.status == 200 else whole
