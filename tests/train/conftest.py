"""The laboratory's fixtures."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import skimage.data
from laboratory import PLAN, Lab

from twinshot.synth.frames import images_in
from twinshot.synth.shards import Sources, render


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    root, shards = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("shards")
    for part, picture in (("train", skimage.data.astronaut()), ("val", skimage.data.coffee())):
        folder = root / "photos" / part
        folder.mkdir(parents=True)
        cv2.imwrite(str(folder / "photo.png"), np.ascontiguousarray(picture[:300, :300, ::-1]))
    sources = Sources(images_in(root / "photos" / "train"))
    for index in range(PLAN.shards):
        render(sources, PLAN, index, shards)
    return Lab(root, shards)
