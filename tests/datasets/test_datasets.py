"""Named data sets: fetched whole or not at all, found where they are, opened alike in any form."""

from __future__ import annotations

import dataclasses
import errno
import functools
import hashlib
import http.server
import io
import stat
import threading
import time
import zipfile

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_unet.base.errors import DataSetError, InputError
from napari_unet.datasets import download, isbi2012
from napari_unet.datasets import registry as datasets
from napari_unet.datasets.download import folder_sums


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache, and no data folder in the environment."""
    monkeypatch.delenv("NAPARI_UNET_DATA", raising=False)
    monkeypatch.setattr(datasets, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


class Served(dict):
    """Path -> content or status; ``asked`` counts requests, ``cut`` breaks the first answers."""

    def __init__(self):
        super().__init__()
        self.asked = []
        self.cut = 0


@pytest.fixture
def server():
    served = Served()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            served.asked.append(self.path)
            content = served.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if served.cut > 0:
                served.cut -= 1
                content = content[: len(content) // 2]
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        served.address = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=functools.partial(running.serve_forever, 0.05))
        thread.start()
        yield served
        running.shutdown()
        thread.join()


def tif(array) -> bytes:
    content = io.BytesIO()
    tifffile.imwrite(content, array, photometric="minisblack")
    return content.getvalue()


MEMBERS = {
    "Cells/01/t000.tif": tif(np.full((5, 4), 1, "u1")),
    "Cells/01/t001.tif": tif(np.full((5, 4), 2, "u1")),
    "Cells/01_GT/SEG/man_seg001.tif": tif(np.full((5, 4), 3, "u2")),
}


def zipped(members=MEMBERS, **more) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**members, **more}.items():
            archive.writestr(name, data)
    return content.getvalue()


@pytest.fixture
def cells(server, tmp_path, monkeypatch):
    """A served data set named "cells" with sums of its true members."""
    for name, data in MEMBERS.items():
        file = tmp_path / "truth" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    sums = folder_sums(tmp_path / "truth" / "Cells", ["01", "01_GT/SEG"])
    one = datasets.DataSet(
        "cells", "Cells", "made up", "", "Cells", 1, server.address + "/Cells.zip", sums
    )
    monkeypatch.setitem(datasets.DATA_SETS, "cells", one)
    server["/Cells.zip"] = zipped()
    return one


def left_in(cache):
    return sorted(p.name for p in cache.iterdir()) if cache.exists() else []


# -- fetching an archive --------------------------------------------------------------------


def test_fetched_once_and_opened(cells, server, cache):
    assert datasets.path("cells") is None
    assert datasets.fetch("cells") == cache / "Cells"
    stack = datasets.open("cells")
    assert stack.image[:, 0, 0].tolist() == [1, 2]
    assert stack.labelled_slices == (1,)
    assert [s.name for s in datasets.open_all("cells")] == ["Cells 01"]
    assert datasets.path("cells") == cache / "Cells"
    assert len(server.asked) == 1
    assert left_in(cache) == ["Cells"]


def test_progress_counts_to_the_end(cells, server):
    seen = []
    datasets.fetch("cells", lambda done, total: seen.append((done, total)))
    assert seen[-1] == (len(server["/Cells.zip"]),) * 2
    assert seen == sorted(seen)


def test_a_bar_in_the_terminal(cells, capsys):
    datasets.fetch("cells", progress=True)
    assert "100%" in capsys.readouterr().err


def test_cancelling_leaves_nothing(cells, cache):
    class Cancelled(Exception):
        pass

    def cancel(done, total):
        raise Cancelled

    with pytest.raises(Cancelled):
        datasets.fetch("cells", cancel)
    assert left_in(cache) == []


def test_an_interrupted_download_is_fetched_again(cells, server, cache):
    server.cut = 2
    datasets.fetch("cells")
    assert len(server.asked) == 3
    assert left_in(cache) == ["Cells"]


def test_members_that_nobody_needs_stay_outside(cells, server, cache):
    server["/Cells.zip"] = zipped(**{"Cells/01_ERR_SEG/mask.tif": b"x", "Cells/README": b"x"})
    datasets.fetch("cells")
    assert sorted(p.name for p in (cache / "Cells").iterdir()) == ["01", "01_GT"]


BAD = dict(MEMBERS)
BAD["Cells/01/t001.tif"] = tif(np.full((5, 4), 9, "u1"))
MISSING = {k: v for k, v in MEMBERS.items() if "t001" not in k}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (zipped(BAD), r"01 have been changed \(wrong SHA-256\)"),
        (zipped(MISSING), "01 has 1 instead of 2 files"),
        (zipped()[:-40], "damaged"),
        (b"<html>sorry</html>", "damaged"),
        (zipped(**{"../evil.tif": b"x"}), r"'\.\./evil\.tif' would be written outside"),
        (zipped(**{"/etc/evil.tif": b"x"}), "outside"),
        (zipped(**{"Cells/01/../../../evil.tif": b"x"}), "outside"),
        (zipped(**{"C:/evil.tif": b"x"}), "outside"),
    ],
    ids=["changed", "missing", "cut", "page", "above", "absolute", "back", "drive"],
)
def test_a_wrong_archive_is_refused_and_leaves_nothing(cells, server, cache, content, words):
    server["/Cells.zip"] = content
    with pytest.raises(DataSetError, match=words):
        datasets.fetch("cells")
    assert left_in(cache) == []
    assert not list(cache.parent.rglob("*evil*"))


def test_a_flipped_byte_is_found(cells, server, cache):
    content = bytearray(zipped())
    where = content.index(b"t000.tif") + 12
    content[where] ^= 0xFF
    server["/Cells.zip"] = bytes(content)
    with pytest.raises(DataSetError, match="not the published data set"):
        datasets.fetch("cells")
    assert left_in(cache) == []


def test_links_in_an_archive_are_refused(cells, server, cache):
    content = io.BytesIO(zipped())
    with zipfile.ZipFile(content, "a") as archive:
        link = zipfile.ZipInfo("Cells/01/t002.tif")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    server["/Cells.zip"] = content.getvalue()
    with pytest.raises(DataSetError, match="outside its folder"):
        datasets.fetch("cells")
    assert left_in(cache) == []


def test_what_the_server_does_not_have(cells, server, cache):
    del server["/Cells.zip"]
    with pytest.raises(DataSetError, match=r"404.*NAPARI_UNET_DATA"):
        datasets.fetch("cells")
    assert len(server.asked) == 1
    assert left_in(cache) == []


def test_no_server_at_all(cells, cache, monkeypatch):
    gone = dataclasses.replace(cells, address="http://127.0.0.1:9/Cells.zip")
    monkeypatch.setitem(datasets.DATA_SETS, "cells", gone)
    with pytest.raises(DataSetError) as told:
        datasets.fetch("cells")
    assert str(told.value) == (
        "http://127.0.0.1:9/Cells.zip cannot be downloaded (no connection): check the connection, "
        "or unpack the data set yourself and set NAPARI_UNET_DATA to the folder that holds it."
    )
    assert left_in(cache) == []


@pytest.mark.parametrize("kind", ["encrypted", "bzip2", "lzma", "unknown"])
def test_an_archive_of_any_damage_is_one_sentence(tmp_path, kind):
    """Encrypted, or compressed in a way that cannot be undone."""
    method = {"bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}.get(kind, zipfile.ZIP_STORED)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a.tif", bytes(range(256)) * 40)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    central = content.index(b"PK\x01\x02")
    if kind == "encrypted":
        content[6] |= 1
        content[central + 8] |= 1
    elif kind == "unknown":
        content[8] = content[central + 10] = 77
    else:
        content[60:90] = bytes(30)
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(download.BrokenDownloadError, match="the archive is damaged"):
        download.unpack(tmp_path / "a.zip", tmp_path / "out", r"a\.tif")


def test_a_download_without_an_end_is_cut_off(cells, server, cache, monkeypatch):
    monkeypatch.setattr(download, "LARGEST_ARCHIVE", 100)
    with pytest.raises(DataSetError, match="is larger than"):
        datasets.fetch("cells")
    assert left_in(cache) == []


def test_a_download_that_only_trickles_is_left(cells, server, cache, monkeypatch):
    monkeypatch.setattr(download, "SLOWEST", 10**12)
    monkeypatch.setattr(download, "PATIENCE", 0.0)
    with pytest.raises(DataSetError, match="comes too slowly"):
        datasets.fetch("cells")
    assert left_in(cache) == []


class FullDisk:
    """Raises what a write to a full disk raises, whatever it is called with."""

    calls = 0

    def __call__(self, *args, **kwargs):
        FullDisk.calls += 1
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("stage", ["download", "unpack"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(cells, server, cache, monkeypatch, stage):
    FullDisk.calls = 0
    if stage == "download":
        monkeypatch.setattr("pooch.HTTPDownloader", lambda **_: FullDisk())
    else:
        monkeypatch.setattr("napari_unet.datasets.download.shutil.copyfileobj", FullDisk())
    with pytest.raises(DataSetError) as told:
        datasets.fetch("cells")
    assert str(told.value) == (
        f"cells cannot be written to {cache} (No space left on device): make room there, or set "
        "NAPARI_UNET_DATA to a folder that holds the data set."
    )
    assert FullDisk.calls == 1  # another attempt would not make room
    assert left_in(cache) == []


def test_a_disk_that_fills_while_volumes_are_written(server, cache, monkeypatch):
    server |= {"/png/" + name: content for name, content in pictures().items()}
    fetch = functools.partial(isbi2012.download_isbi, sums=sums(), **places(server))
    monkeypatch.setattr(datasets, "download_isbi", fetch)
    monkeypatch.setattr(tifffile, "imwrite", FullDisk())
    with pytest.raises(DataSetError, match=r"isbi2012-em cannot be written to .*No space left"):
        datasets.fetch("isbi2012-em")
    assert left_in(cache) == []


# -- where data sets are --------------------------------------------------------------------


def test_the_environment_comes_before_the_cache(cells, tmp_path, cache, monkeypatch):
    datasets.fetch("cells")
    monkeypatch.setenv("NAPARI_UNET_DATA", str(tmp_path / "truth"))
    assert datasets.path("cells") == tmp_path / "truth" / "Cells"
    monkeypatch.setenv("NAPARI_UNET_DATA", str(tmp_path / "absent"))
    assert datasets.path("cells") == cache / "Cells"


def test_a_given_folder_is_the_data_set_or_holds_it(cells, tmp_path, server):
    for folder in (tmp_path / "truth", tmp_path / "truth" / "Cells"):
        assert datasets.open("cells", data_dir=folder).n_slices == 2
    with pytest.raises(DataSetError, match="expected the folder Cells"):
        datasets.open("cells", data_dir=tmp_path)
    assert server.asked == []


def test_names():
    assert datasets.names() == ("isbi2012-em", "phc-c2dh-u373", "dic-c2dh-hela", "synthetic")
    with pytest.raises(DataSetError, match="choose one of isbi2012-em"):
        datasets.open("hela")
    for one in datasets.DATA_SETS.values():
        assert one.description.endswith(".")
        assert one.terms


def test_the_synthetic_stack_needs_nothing():
    assert datasets.fetch("synthetic") is None
    assert datasets.open("synthetic").n_slices == 12


# -- the three forms of ISBI-2012 -----------------------------------------------------------

VOLUME = np.random.default_rng(0).integers(0, 255, (3, 16, 16), np.uint8)
LABELS = np.where(VOLUME > 90, np.uint8(255), np.uint8(0))


def png(plane, kind="PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(plane).save(content, kind, **({"quality": 95} if kind == "JPEG" else {}))
    return content.getvalue()


def put(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def pictures():
    """Files of the PNG layout below data/membrane."""
    layout = {"train/image/{}.png": VOLUME, "train/label/{}.png": LABELS, "test/{}.png": VOLUME}
    return {k.format(i): png(v[i]) for k, v in layout.items() for i in range(3)}


# JPEG blurs single pixels; blocks survive, as the membranes of the published labels do.
BLOCKS = np.kron(LABELS[:, :2, :2], np.ones((1, 8, 8), np.uint8))


def jpegs():
    layout = {"images/train-volume{:02d}.jpg": VOLUME, "labels/train-labels{:02d}.jpg": BLOCKS}
    return {k.format(i): png(v[i], "JPEG") for k, v in layout.items() for i in range(3)}


@pytest.mark.parametrize("below", ["", "data/membrane/"])
def test_pngs_open_like_tiffs(tmp_path, below):
    put(tmp_path, {below + name: content for name, content in pictures().items()})
    stack = isbi2012.open_isbi(tmp_path)
    np.testing.assert_array_equal(stack.image, VOLUME)
    np.testing.assert_array_equal(stack.labels, LABELS)
    assert (stack.axes, stack.scale, stack.scheme.values) == ("zyx", (50, 4, 4), (0, 255))
    assert isbi2012.open_isbi(tmp_path, "test").labels is None


def test_jpegs_give_binary_labels(tmp_path):
    put(tmp_path, {"data/" + name: content for name, content in jpegs().items()})
    stack = isbi2012.open_isbi(tmp_path)
    np.testing.assert_array_equal(stack.labels, BLOCKS)
    with pytest.raises(DataSetError, match=r"test-volume\.tif"):
        isbi2012.open_isbi(tmp_path, "test")


@pytest.mark.parametrize("form", ["TIFF", "PNG", "JPEG"])
def test_every_form_opens_by_name(tmp_path, monkeypatch, form):
    folder = tmp_path / "isbi2012-em"
    folder.mkdir()
    if form == "TIFF":
        for name, array in (("train-volume", VOLUME), ("train-labels", LABELS)):
            tifffile.imwrite(folder / f"{name}.tif", array, photometric="minisblack")
    else:
        put(folder, pictures() if form == "PNG" else jpegs())
    monkeypatch.setenv("NAPARI_UNET_DATA", str(tmp_path))
    assert datasets.path("isbi2012-em") == folder
    labels = BLOCKS if form == "JPEG" else LABELS
    for stack in (datasets.open("isbi2012-em"), datasets.open("isbi2012-em", data_dir=folder)):
        np.testing.assert_array_equal(stack.labels, labels)
        assert (stack.image.shape, stack.dtype) == (VOLUME.shape, np.uint8)


def places(server):
    first, second = isbi2012.PICTURES
    return {
        "places": [
            dataclasses.replace(first, address=server.address + "/png/"),
            dataclasses.replace(second, address=server.address + "/jpeg/"),
        ],
        "slices": 3,
    }


def sums(labels=LABELS):
    parts = {"train-volume": VOLUME, "train-labels": labels, "test-volume": VOLUME}
    return {name: hashlib.sha256(part.tobytes()).hexdigest() for name, part in parts.items()}


def test_pictures_are_fetched_and_become_tiffs(server, tmp_path):
    server |= {"/png/" + name: content for name, content in pictures().items()}
    seen = []
    isbi2012.download_isbi(
        tmp_path, sums=sums(), progress=lambda *now: seen.append(now), **places(server)
    )
    assert seen[-1] == (9, 9)
    np.testing.assert_array_equal(isbi2012.open_isbi(tmp_path).labels, LABELS)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "test-volume.tif"), VOLUME)


def test_the_second_place_is_asked_when_the_first_is_wrong(server, tmp_path):
    server |= {"/png/" + name: content for name, content in pictures().items()}
    server |= {"/jpeg/" + name: content for name, content in jpegs().items()}
    isbi2012.download_isbi(tmp_path, sums=sums(BLOCKS), **places(server))
    np.testing.assert_array_equal(isbi2012.open_isbi(tmp_path).labels, BLOCKS)


def test_no_place_has_it(server, tmp_path, cache, monkeypatch):
    monkeypatch.setattr(
        datasets,
        "download_isbi",
        functools.partial(isbi2012.download_isbi, sums=sums(), **places(server)),
    )
    with pytest.raises(DataSetError) as told:
        datasets.fetch("isbi2012-em")
    assert str(told.value) == (
        "the ISBI-2012 stack cannot be downloaded (404 Not Found): try again later, or set "
        "NAPARI_UNET_DATA to a folder with isbi2012-em/train-volume.tif in it."
    )
    assert left_in(cache) == []
    server |= {"/png/" + name: content for name, content in pictures().items()}
    assert datasets.open("isbi2012-em").n_slices == 3
    assert left_in(cache) == ["isbi2012-em"]
    names = sorted(p.name for p in (cache / "isbi2012-em").iterdir())
    assert names == ["test-volume.tif", "train-labels.tif", "train-volume.tif"]


def test_what_isbi_lacks(tmp_path):
    with pytest.raises(DataSetError, match=r"train-volume\.tif"):
        isbi2012.open_isbi(tmp_path)
    with pytest.raises(InputError, match="'train' or 'test'"):
        isbi2012.open_isbi(tmp_path, "both")


# -- the real ones --------------------------------------------------------------------------


@pytest.mark.data
def test_isbi_is_the_published_one(data_dir):
    stack = datasets.open("isbi2012-em", data_dir)
    assert stack.image.shape == (30, 512, 512)
    for name, array in (("train-volume", stack.image), ("train-labels", stack.labels)):
        assert hashlib.sha256(array.tobytes()).hexdigest() == isbi2012.SUMS[name]
    test = datasets.open("isbi2012-em", data_dir, subset="test").image
    assert hashlib.sha256(test.tobytes()).hexdigest() == isbi2012.SUMS["test-volume"]


@pytest.mark.data
@pytest.mark.parametrize("name", ["dic-c2dh-hela", "phc-c2dh-u373"])
def test_the_committed_sums_are_those_of_the_published_files(data_dir, name):
    one = datasets.DATA_SETS[name]
    assert folder_sums(data_dir / one.folder, one.sums) == one.sums
    size = sum(f.stat().st_size for f in (data_dir / one.folder).rglob("*.tif"))
    assert size == one.size


@pytest.mark.data
def test_hela_opens_in_two_seconds(data_dir):
    datasets.open("dic-c2dh-hela", data_dir)
    start = time.process_time()
    datasets.open("dic-c2dh-hela", data_dir)
    assert time.process_time() - start < 2.0  # 0.3 s measured
