"""Tags of a TIFF with another type or count than theirs: read, or refused in a sentence."""

from __future__ import annotations

import struct

import numpy as np
import pytest
import tifffile

from napari_unet.base.errors import UNetError
from napari_unet.images.files import open_image

TYPES = (1, 2, 3, 4, 5, 7, 9, 11, 12, 16, 99)  # of the TIFF 6.0 and BigTIFF tables, and none
COUNTS = (0, 1, 2, 5)
FIRST = 4  # where the header says that the first page is described


def entries(file: bytes) -> list[int]:
    """Return where the entries of the first page begin, twelve bytes each."""
    (at,) = struct.unpack_from("<I", file, FIRST)
    (count,) = struct.unpack_from("<H", file, at)
    return [at + 2 + 12 * k for k in range(count)]


@pytest.mark.parametrize("form", [{}, {"ome": True}, {"imagej": True}, {"compression": "zlib"}])
def test_no_type_or_count_of_a_tag_is_a_traceback(tmp_path, form):
    path = tmp_path / ("a.ome.tif" if "ome" in form else "a.tif")
    pixels = np.arange(2 * 20 * 30, dtype=np.uint16).reshape(2, 20, 30)
    tifffile.imwrite(path, pixels, byteorder="<", resolution=(3, 3), **form)
    good = path.read_bytes()
    places = entries(good)
    assert len(places) > 10
    read, said = 0, []
    for at in places:
        for kind in TYPES:
            for count in COUNTS:
                bad = bytearray(good)
                struct.pack_into("<HI", bad, at + 2, kind, count)
                path.write_bytes(bad)
                try:
                    open_image(path)
                except UNetError as error:
                    said.append(str(error))
                else:
                    read += 1
    assert not any("\n" in sentence for sentence in said)
    assert read > 100  # most tags matter little
