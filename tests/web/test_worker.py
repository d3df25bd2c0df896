"""What the worker process does with a task, called in this one."""

from __future__ import annotations

import errno
import pickle
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import save
from PIL import Image

import twinshot
from twinshot.match import framing
from twinshot.web import layers, worker


@pytest.fixture
def two_sizes(pair, tmp_path):
    """A task of a pair whose long frame was saved larger."""
    Image.open(pair[0]).save(tmp_path / "a.png")
    long = Image.open(pair[1])
    save(
        tmp_path / "b.png",
        np.asarray(long.resize((long.width * 3 // 2, long.height * 3 // 2), Image.Resampling.LANCZOS)),
    )
    photos = [{"file": "a.png", "name": "short.png"}, {"file": "b.png", "name": "long.png"}]
    options = {"model": "twin"}
    return {
        "id": "1",
        "folder": str(tmp_path),
        "photos": photos,
        "roles": None,
        "keep_order": False,
        "options": options,
    }


@pytest.mark.parametrize(
    ("suffix", "reason", "kind"),
    [(".png", errno.ENOSPC, "storage-full"), (".png", errno.EIO, "worker-failed"), (".webp", 0, "invalid-input")],
)
def test_a_download_that_cannot_be_written(frames, tmp_path, no_new_files, suffix, reason, kind):
    """The client chose the kind of file, whose sides may be too short for the picture, and the server its place."""
    restored = replace(twinshot.restore(*frames), pixels=np.zeros((16, 16_400, 3), np.uint16))
    (tmp_path / "restored.pickle").write_bytes(pickle.dumps(restored))
    if reason:
        no_new_files(reason)
    task = {"id": "1", "task": "encode", "folder": str(tmp_path), "output": f"out{suffix}", "bits": 8, "quality": 95}
    heard = []
    worker._do(task, SimpleNamespace(cancelled=set()), lambda event, **more: heard.append({"event": event, **more}))
    assert [(word["event"], word["kind"]) for word in heard] == [("failed", kind)]
    assert str(tmp_path) not in heard[0]["detail"]
    assert ("choose PNG or TIFF" in heard[0]["detail"]) == (kind == "invalid-input")


def test_frames_of_two_sizes_are_shown_over_each_other_and_matched_once(two_sizes, tmp_path, monkeypatch):
    looks, stages, said = [], [], []
    framed = framing.framed
    monkeypatch.setattr(framing, "framed", lambda pair: looks.append(pair) or framed(pair))
    done = worker._restore(
        two_sizes, lambda stage, _: stages.append(stage), lambda event, **more: said.append((event, more))
    )
    assert len(looks) == 1
    assert layers.size(tmp_path, "long") == layers.size(tmp_path, "short") == layers.size(tmp_path, "result")
    assert [event for event, _ in said] == ["layers"]
    assert list(dict.fromkeys(stages)) == ["reading", "matching", "restoring", "writing"]
    assert done["report"]["seconds"]["match"] > 0
    assert done["report"]["notes"] == ["long.png was scaled by 0.667 to lie on short.png"]
