"""GOPRO2's shards: which windows, what is averaged, and in which order they are seen."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import save

from twinshot.picture.pair import TwinshotError
from twinshot.synth.gopro2 import FilmPlan, evenly, films, in_turn
from twinshot.synth.shards import Sources, open_shards, render_missing

PLAN = FilmPlan(shards=2, per_shard=6, side=48, seed=4)


def film(folder: Path, frames: int, first: int = 1, size: tuple[int, int] = (48, 64)) -> None:
    """Frame n is of one value, n."""
    folder.mkdir(parents=True)
    for number in range(frames):
        save(folder / f"{number + first:06d}.png", np.full((*size, 3), number + first, np.uint8))


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GOPRO_Large_all in the small: scenes of 2 and 1 windows, and of none, each with some frames left over."""
    root: Path = tmp_path_factory.mktemp("GOPRO_Large_all")
    for name, frames, first in (("GOPR0001_11_00", 25, 1), ("GOPR0002_11_01", 20, 101), ("GOPR0003_11_00", 10, 201)):
        film(root / "train" / name, frames, first)
    film(root / "test" / "GOPR0004_11_00", 35)
    return root


def test_the_first_frame_is_the_truth_and_the_third_to_the_last_are_averaged(tree: Path, tmp_path: Path) -> None:
    """Section III-C, on disjoint windows of 11 in order; what is left of a scene never joins the next."""
    paths = render_missing(films(tree, "train"), PLAN, tmp_path, workers=1)
    pairs = np.concatenate(open_shards(paths))
    assert pairs.shape == (3, 4, 2, 48, 48, 3)
    for window, first in zip(pairs, (1, 12, 101), strict=True):
        sharp, blurry = window[:, 0] / 65535, window[:, 1] / 65535
        np.testing.assert_allclose(sharp * 255, first, atol=0.01)
        np.testing.assert_allclose(blurry * 255, np.mean(range(first + 2, first + 11)), atol=0.01)


def test_crops_lie_where_truth_and_blur_belong_together(tmp_path: Path, rng: np.random.Generator) -> None:
    still = rng.integers(0, 255, (60, 80, 3), np.uint8)
    (tmp_path / "train" / "scene").mkdir(parents=True)
    for number in range(11):
        save(tmp_path / "train" / "scene" / f"{number:06d}.png", still)
    (path,) = render_missing(films(tmp_path, "train"), PLAN, tmp_path / "shards", workers=1)
    crops = np.load(path)[0]
    assert len(crops) == 6
    assert len({crop.tobytes() for crop in crops}) == 6
    for sharp, blurry in crops:
        np.testing.assert_allclose(sharp.astype(int), blurry.astype(int), atol=1)


@pytest.mark.parametrize(("shards", "per_shard", "crops", "files"), [(2, 6, 4, 3), (42, 500, 500, 3), (1, 2, 1, 2)])
def test_disk_bounds_the_crops_of_a_window(tree: Path, shards: int, per_shard: int, crops: int, files: int) -> None:
    sources, plan = films(tree, "train"), replace(PLAN, shards=shards, per_shard=per_shard)
    assert (plan.crops(sources), plan.count(sources)) == (crops, files)


def test_ten_crops_of_each_of_the_papers_windows() -> None:
    """What the recipes ask for holds ten epochs of 2058 windows."""
    scenes = (tuple(Path("scene", f"{number}.png") for number in range(2058 * 11)),)
    assert FilmPlan(shards=42, per_shard=500, side=256).crops(Sources((), scenes)) == 10


def test_an_epoch_sees_every_window_once_and_the_next_another_crop() -> None:
    sizes, crops = (3, 3, 1), 2
    shards, window = [], 0
    for size in sizes:
        shards.append(np.zeros((size, crops, 2, 1, 1, 3), np.uint16))
        for row in shards[-1]:
            row[:, 0], row[0, 1], row[1, 1], window = window, 0, 1, window + 1
    seen = [in_turn(shards, number, seed=3) for number in range(21)]
    epochs = [[int(pair[0, 0, 0, 0]) for pair in seen[start : start + 7]] for start in (0, 7, 14)]
    assert [sorted(epoch) for epoch in epochs] == [list(range(7))] * 3
    assert epochs[0] != epochs[1]
    assert [{int(pair[1, 0, 0, 0]) for pair in seen[start : start + 7]} for start in (0, 7, 14)] == [{0}, {1}, {0}]
    assert [int(in_turn(shards, number, seed=3)[0, 0, 0, 0]) for number in (9, 2)] == [epochs[1][2], epochs[0][2]]


def test_frames_lie_as_downloaded_or_in_a_data_root(tree: Path, tmp_path: Path) -> None:
    shutil.copytree(tree / "train", tmp_path / "frames" / "train")
    shutil.copytree(tree / "test", tmp_path / "frames" / "val")
    for part in ("train", "val"):
        assert films(tree, part).listing == films(tmp_path, part).listing


def test_what_is_held_out_is_spread_over_all(tree: Path) -> None:
    held_out = films(tree, "val")
    assert [int(window.frames[0].stem) for window in evenly(held_out, 2)] == [1, 12]
    assert len(evenly(held_out, 24)) == 3


def test_other_films_and_settings_make_other_shards(tree: Path) -> None:
    train, held_out = films(tree, "train"), films(tree, "val")
    changes = ({}, {"seed": 5}, {"side": 32}, {"per_shard": 4})
    names = {replace(PLAN, **change).name(train, 0) for change in changes}
    assert len(names | {PLAN.name(train, 1), PLAN.name(held_out, 0)}) == 6


def test_what_is_no_film_is_refused(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(TwinshotError, match=r"train: no such folder, nor .*train; give the folder GOPRO_Large_all"):
        films(tmp_path, "train")
    film(tmp_path / "train" / "GOPR0001_11_00", 10)
    with pytest.raises(TwinshotError, match="train: every scene is shorter than the 11 frames"):
        films(tmp_path, "train")
    film(tmp_path / "train" / "GOPR0001_11_00" / "sharp", 12)
    with pytest.raises(TwinshotError, match=r"sharp: belongs to GOPRO_Large; GOPRO2 is made from the frames of"):
        films(tmp_path, "train")
    with pytest.raises(TwinshotError, match=r"\.png: 64x48 is too small; frames must be at least 64x64"):
        replace(PLAN, side=64).pairs(films(tree, "train"), 0)
