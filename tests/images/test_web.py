"""OME-Zarr over http: what a server refuses, withholds or never ends is one sentence."""

from __future__ import annotations

import http.server
import threading
import time
from contextlib import contextmanager
from functools import partial

import numpy as np
import pytest
import zarr

from napari_unet.base.errors import DataSetError
from napari_unet.images import web
from napari_unet.images.files import open_image

ARRAY = np.random.default_rng(0).integers(1, 200, (2, 16, 16), np.uint8)


class Server(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, but for what ``answers`` says about the end of their path."""

    def __init__(self, *arguments, answers, **options):
        self.answers = answers
        super().__init__(*arguments, **options)

    def do_GET(self):
        for end, answer in self.answers.items():
            if self.path.endswith(end):
                return answer(self)
        return super().do_GET()

    def log_message(self, *arguments):
        pass


@contextmanager
def served(folder, answers):
    handler = partial(Server, directory=str(folder), answers=answers)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/a.zarr"
        finally:
            server.shutdown()
            thread.join()


def refuse(status):
    def answer(handler):
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def never(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.flush()
    time.sleep(5)


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(2**16))
    except OSError:
        pass


@pytest.fixture(params=[2, 3])
def folder(tmp_path, request):
    array = zarr.create_array(
        tmp_path / "a.zarr",
        shape=ARRAY.shape,
        chunks=(1, 16, 16),
        dtype=ARRAY.dtype,
        zarr_format=request.param,
    )
    array[:] = ARRAY
    return tmp_path


LAST = ("/1.0.0", "/c/1/0/0")


def test_a_hierarchy_over_http(folder):
    with served(folder, {}) as address:
        stack = open_image(address)
        np.testing.assert_array_equal(stack.image_plane(1)[0], ARRAY[1])


@pytest.mark.parametrize("status", [401, 403, 410, 429, 500, 503])
def test_a_refused_chunk_is_an_error_and_no_black_square(folder, status):
    with served(folder, dict.fromkeys(LAST, refuse(status))) as address:
        stack = open_image(address)
        np.testing.assert_array_equal(stack.image_plane(0)[0], ARRAY[0])
        with pytest.raises(DataSetError, match=str(status)) as caught:
            stack.image_plane(1)
        assert "\n" not in str(caught.value)


def test_a_chunk_that_is_not_there_is_empty(folder):
    with served(folder, dict.fromkeys(LAST, refuse(404))) as address:
        assert not open_image(address).image_plane(1).any()


def test_a_store_that_refuses_what_it_does_not_have_can_be_opened(folder):
    """Object stores without the right to list say 403 for 404, where zarr looks for metadata."""
    names = (".zgroup", ".zattrs", ".zmetadata", ".zarray", "zarr.json")
    missing = [f"/{name}" for name in names if not (folder / "a.zarr" / name).exists()]
    with served(folder, dict.fromkeys(missing, refuse(403))) as address:
        np.testing.assert_array_equal(open_image(address).image_plane(1)[0], ARRAY[1])


@pytest.mark.parametrize("what", ["metadata", "chunk"])
def test_a_silent_server_is_left_soon(folder, what, monkeypatch):
    monkeypatch.setattr(web, "SILENCE", 0.3)
    answers = dict.fromkeys(LAST if what == "chunk" else (".zarray", "zarr.json"), never)
    with served(folder, answers) as address:
        start = time.monotonic()
        with pytest.raises(DataSetError, match="no answer in time") as caught:
            open_image(address).image_plane(1)
        assert time.monotonic() - start < 4
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("what", ["metadata", "chunk"])
def test_an_endless_answer_is_cut_off(folder, what, monkeypatch):
    monkeypatch.setattr(web, "LARGEST_BODY", 2**20)
    answers = dict.fromkeys(LAST if what == "chunk" else (".zarray", "zarr.json"), endless)
    with served(folder, answers) as address, pytest.raises(DataSetError, match="larger than 1 MiB"):
        open_image(address).image_plane(1)


def test_a_server_without_ranges_serves_shards(tmp_path):
    """Python's own sends whole files, whatever part was asked for."""
    array = zarr.create_array(
        tmp_path / "a.zarr", shape=(64, 64), shards=(64, 64), chunks=(16, 16), dtype="u1"
    )
    array[:] = values = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    with served(tmp_path, {}) as address:
        crop = open_image(address).image_crop(0, slice(17, 40), slice(30, 50))
    np.testing.assert_array_equal(crop[0], values[17:40, 30:50])


def test_a_chunk_that_does_not_fit_into_memory_is_refused(tmp_path):
    zarr.create_array(tmp_path / "a.zarr", shape=(10**6, 10**6), chunks=(10**6, 10**6), dtype="u1")
    with pytest.raises(DataSetError, match=r"stored in chunks of 1\.0 TB"):
        open_image(tmp_path / "a.zarr")
    zarr.create_array(tmp_path / "b.zarr", shape=(10**6, 10**6), chunks=(512, 512), dtype="u1")
    stack = open_image(tmp_path / "b.zarr")  # of any size, in parts
    assert not stack.image_crop(0, slice(999_990, 10**6), slice(0, 10)).any()
