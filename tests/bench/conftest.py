"""A small set on disk."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import save

from twinshot.picture.levels import eight_bit


@pytest.fixture
def folder(tmp_path, triple, frames) -> Path:
    """Two small triples, the second of them half as large, the first with a burst of three."""
    pictures = {"noisy": frames[0], "blurry": frames[1], "sharp": eight_bit(triple.sharp)}
    root = tmp_path / "night"
    for kind, pixels in pictures.items():
        (root / kind).mkdir(parents=True)
        save(root / kind / "a.png", pixels)
        save(root / kind / "b.png", pixels[:80])
    (root / "burst" / "a").mkdir(parents=True)
    for number in range(3):
        noise = np.random.default_rng(number).normal(0, 12, frames[0].shape)
        save(root / "burst" / "a" / f"{number:02d}.png", (frames[0] + noise).clip(0, 255).astype(np.uint8))
    rows = [{"name": "a.png", "blur": 9.0}, {"name": "b.png", "blur": 2.0}]
    (root / "meta.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"name": "c.png", "si')
    return root
