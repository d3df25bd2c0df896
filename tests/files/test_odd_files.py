"""Odd files of others, where a folder of them is named: TWINSHOT_ODD_FILES."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from twinshot.files import io
from twinshot.picture.pair import Frame, TwinshotError

FOLDER = os.environ.get("TWINSHOT_ODD_FILES", "")
FILES = sorted(path for path in Path(FOLDER).rglob("*") if path.is_file()) if FOLDER else []

pytestmark = pytest.mark.skipif(not FILES, reason="TWINSHOT_ODD_FILES names no folder")


def read_or_refused(path: Path) -> Frame | None:
    with suppress(TwinshotError):
        return io.read(path)
    return None


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_it_is_refused_or_comes_back_as_it_was_read(path, tmp_path):
    frame = read_or_refused(path)
    if frame is None:
        return
    bits = min(frame.metadata.bits, 16)
    pixels = frame.pixels if frame.metadata.bits < 32 else (frame.pixels * 65535 + 0.5).astype(np.uint16)
    io.write(tmp_path / "a.tif", pixels, frame.metadata)
    again = io.read(tmp_path / "a.tif")
    np.testing.assert_array_equal(again.pixels, pixels)
    assert (again.metadata.bits, again.metadata.grey) == (bits, frame.metadata.grey)
    assert again.metadata.exposure == pytest.approx(frame.metadata.exposure)
