"""Triples on disk: the same bytes for the same seed, whatever happened on the way."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from helpers import save

from twinshot.bench.datasets import triples_in
from twinshot.files import atomic, io
from twinshot.picture.pair import TwinshotError
from twinshot.synth import triples
from twinshot.synth.triples import Plan, write_triples

KINDS = ("noisy", "blurry", "sharp")


@pytest.fixture(scope="module")
def small(tmp_path_factory, photo) -> Path:
    """Two photographs that give small views."""
    folder = tmp_path_factory.mktemp("small")
    save(folder / "a.png", photo[:160, :180])
    save(folder / "b.png", photo[100:260, 100:290])
    return folder


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, small) -> dict[str, bytes]:
    """What a run of four triples leaves when nothing interrupts it."""
    folder = tmp_path_factory.mktemp("unbroken")
    assert write_triples(small, folder / "set", Plan("camera", 4, 9)) == 4
    return contents(folder / "set")


def contents(folder: Path) -> dict[str, bytes]:
    """Of all files but the hidden one that is locked."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_what_is_written(unbroken):
    names = [f"{number:06d}.png" for number in range(4)]
    assert sorted(unbroken) == sorted(["meta.jsonl", *(f"{kind}/{name}" for kind in KINDS for name in names)])
    rows = [json.loads(row) for row in unbroken["meta.jsonl"].decode().splitlines()]
    assert [row["name"] for row in rows] == names
    assert {(row["profile"], row["seed"]) for row in rows} == {("camera", 9)}
    assert [row["source"].split("/")[1] for row in rows] == ["a.png", "b.png", "a.png", "b.png"]
    assert all(len(row["gain"]) == 3 for row in rows)
    assert unbroken["sharp/000000.png"] != unbroken["sharp/000002.png"]  # the same photograph, seen anew


def test_the_same_seed_gives_the_same_bytes(small, unbroken, tmp_path):
    write_triples(small, tmp_path, Plan("camera", 4, 9))
    assert contents(tmp_path) == unbroken


def test_a_burst_beside_the_same_triples(small, unbroken, tmp_path):
    write_triples(small, tmp_path, Plan("camera", 2, 9, burst=3))
    found = contents(tmp_path)
    for name in ("000000", "000001"):
        frames = [found[f"burst/{name}/{number:02d}.png"] for number in range(3)]
        assert f"burst/{name}/03.png" not in found
        assert frames[0] == found[f"noisy/{name}.png"]
        assert len(set(frames)) == 3
        for kind in KINDS:
            assert found[f"{kind}/{name}.png"] == unbroken[f"{kind}/{name}.png"]
    with pytest.raises(TwinshotError, match="'gopro' has its sharp frame inside"):
        write_triples(small, tmp_path / "other", Plan("gopro", 1, burst=2))


@pytest.mark.parametrize(("profile", "seed"), [("camera", 10), ("paper", 9)])
def test_other_settings_give_other_bytes(small, unbroken, tmp_path, profile, seed):
    write_triples(small, tmp_path, Plan(profile, 1, seed))
    for kind in KINDS:
        assert (tmp_path / kind / "000000.png").read_bytes() != unbroken[f"{kind}/000000.png"]


@pytest.mark.parametrize("cut", [1, 2, 40, 0])
def test_a_killed_run_goes_on_to_the_same_bytes(small, unbroken, tmp_path, cut):
    """Killed while it wrote a line, with pictures of the next triple half there."""
    write_triples(small, tmp_path, Plan("camera", 3, 9))
    meta = tmp_path / "meta.jsonl"
    meta.write_bytes(meta.read_bytes()[: -cut or None])
    save(tmp_path / "noisy" / "000003.png", np.zeros((20, 20, 3), np.uint8))
    if cut == 40:
        (tmp_path / "sharp" / "000002.png").unlink()
    assert write_triples(small, tmp_path, Plan("camera", 4, 9)) == 4
    assert contents(tmp_path) == unbroken


def test_a_run_stopped_between_pictures(small, unbroken, tmp_path, monkeypatch):
    written = []
    write = triples.io.write

    def stop_at_five(path, image, metadata):
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        write(path, image, metadata)

    monkeypatch.setattr(triples.io, "write", stop_at_five)
    with pytest.raises(KeyboardInterrupt):
        write_triples(small, tmp_path, Plan("camera", 4, 9))
    assert len((tmp_path / "meta.jsonl").read_text().splitlines()) == 1
    monkeypatch.undo()
    assert write_triples(small, tmp_path, Plan("camera", 4, 9)) == 4
    assert contents(tmp_path) == unbroken


def test_a_finished_run_does_nothing(small, tmp_path, monkeypatch):
    write_triples(small, tmp_path, Plan("paper", 2, 1))
    monkeypatch.setattr(triples, "sample", lambda *_: pytest.fail("made again"))
    assert write_triples(small, tmp_path, Plan("paper", 2, 1)) == 2
    assert write_triples(small, tmp_path, Plan("paper", 1, 1)) == 2


def test_a_set_is_made_by_one_process(small, tmp_path):
    with atomic.locked(tmp_path / "set"), pytest.raises(TwinshotError, match="set: another process is working there"):
        write_triples(small, tmp_path / "set", Plan("paper", 1))
    assert write_triples(small, tmp_path / "set", Plan("paper", 1)) == 1


def test_sets_of_other_settings_are_not_mixed(small, photos, tmp_path):
    write_triples(small, tmp_path, Plan("paper", 1, 1))
    before = contents(tmp_path)
    for source, profile, seed in ((small, "camera", 1), (small, "paper", 2), (photos, "paper", 1)):
        with pytest.raises(TwinshotError, match="was made with another source, profile, seed, side or burst"):
            write_triples(source, tmp_path, Plan(profile, 2, seed))
    assert contents(tmp_path) == before


@pytest.mark.parametrize("profile", ["paper", "camera"])
def test_views_have_the_side_that_was_asked_for(small, tmp_path, profile):
    write_triples(small, tmp_path, Plan(profile, 2, 1, side=129))
    shapes = {cv2.imread(str(path)).shape for path in tmp_path.rglob("*.png")}
    assert shapes == {(129, 129, 3)}


def test_without_a_count_every_photograph_is_seen_once(small, tmp_path):
    assert write_triples(small, tmp_path, Plan("paper", None, 0)) == 2


def test_frames_give_one_triple_a_window(tmp_path, rng):
    scene = tmp_path / "train" / "GOPR0001_11_00"
    scene.mkdir(parents=True)
    still = cv2.resize(rng.integers(20, 236, (4, 6, 3)).astype(np.uint8), (48, 32))
    for number in range(25):
        save(scene / f"{number:06d}.png", still + rng.integers(0, 20, still.shape, np.uint8))
    assert write_triples(tmp_path / "train", tmp_path / "set", Plan("paper", 10, 0)) == 2
    found = triples_in(tmp_path / "set")
    assert [triple.meta["source"] for triple in found] == [
        "GOPR0001_11_00/000000.png",
        "GOPR0001_11_00/000011.png",
    ]
    for triple, first in zip(found, (0, 11), strict=True):
        np.testing.assert_array_equal(io.read(triple.sharp).pixels, io.read(scene / f"{first:06d}.png").pixels)
        long = np.mean([io.read(scene / f"{first + i:06d}.png").pixels for i in range(2, 11)], 0)
        error = io.read(triple.blurry).pixels - long
        assert np.abs(error.mean()) < 0.5
        assert error.std() == pytest.approx(255 * triple.meta["sigma"] / 3, rel=0.1)


def test_a_full_disk_is_said_and_the_run_can_go_on(small, tmp_path, monkeypatch):
    def full(file):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TwinshotError, match="No space left"):
        write_triples(small, tmp_path / "set", Plan("paper", 1, 0))
    monkeypatch.undo()
    assert write_triples(small, tmp_path / "set", Plan("paper", 1, 0)) == 1


def test_pictures_of_another_origin_are_not_overwritten(small, tmp_path):
    (tmp_path / "sharp").mkdir()
    save(tmp_path / "sharp" / "000000.png", np.zeros((64, 64, 3), np.uint8))
    before = contents(tmp_path)
    with pytest.raises(TwinshotError, match="sharp: holds files that twinshot synth did not make"):
        write_triples(small, tmp_path, Plan("camera", 1))
    assert contents(tmp_path) == before


def test_numbered_photographs_are_no_film(tmp_path, rng):
    (tmp_path / "source").mkdir()
    for number in range(12):
        noise = cv2.resize(rng.integers(0, 255, (8, 8, 3)).astype(np.uint8), (200, 200))
        save(tmp_path / "source" / f"{number}.png", noise)
    assert write_triples(tmp_path / "source", tmp_path / "set", Plan("paper", side=64)) == 12


def test_numbered_photographs_in_folders_of_their_own_are_no_film(tmp_path, photo, rng):
    for number in range(24):
        folder = tmp_path / "album" / f"{2000 + number // 12}"
        folder.mkdir(parents=True, exist_ok=True)
        save(folder / f"{number}.png", cv2.resize(rng.integers(0, 255, (8, 8, 3)).astype(np.uint8), (200, 200)))
    with pytest.raises(TwinshotError, match="album: no images there"):
        write_triples(tmp_path / "album", tmp_path / "set", Plan("paper", side=64))
    (tmp_path / "album" / "film").mkdir()
    for number in range(12):
        save(tmp_path / "album" / "film" / f"{number:02d}.png", photo[:100, number : number + 120])
    with pytest.raises(TwinshotError, match=r"mixes folders of numbered frames with other files \(.*2000"):
        write_triples(tmp_path / "album", tmp_path / "set", Plan("paper", side=64))


@pytest.mark.parametrize("line", ["{broken}", "[1, 2, {}"])
def test_a_list_of_triples_that_cannot_be_read(small, tmp_path, line):
    (tmp_path / "meta.jsonl").write_text(line + "}\n")
    with pytest.raises(TwinshotError, match=r"meta\.jsonl: holds a line that twinshot synth did not write"):
        write_triples(small, tmp_path, Plan("paper", 1, 0))


def test_a_film_of_several_sizes(tmp_path, photo):
    (tmp_path / "source").mkdir()
    for number in range(12):
        save(tmp_path / "source" / f"{number:02d}.png", photo[: 90 if number < 6 else 100, :120])
    with pytest.raises(TwinshotError, match="its frames differ in size"):
        write_triples(tmp_path / "source", tmp_path / "set", Plan("paper"))
