"""Shards: the same bytes on any machine, in any order, after any interruption."""

from __future__ import annotations

import os
import signal
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import numpy as np
import pytest
from helpers import SRC, outcome, save, start

from twinshot.picture.pair import TwinshotError
from twinshot.synth import shards
from twinshot.synth.frames import images_in
from twinshot.synth.motion import MotionRange
from twinshot.synth.profiles import profile_named
from twinshot.synth.shards import PAIRS, ShardPlan, Sources, kinds_for, open_shards, render, render_missing

PLAN = ShardPlan(shards=2, per_shard=3, side=48, real=0.0, seed=4)


@pytest.fixture
def sources(photos) -> Sources:
    return Sources(images_in(photos))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A scene of twelve frames."""
    folder = tmp_path_factory.mktemp("film")
    rng = np.random.default_rng(0)
    for number in range(12):
        save(folder / f"{number:06d}.png", rng.integers(10 * number, 10 * number + 30, (64, 72, 3), np.uint8))
    return images_in(folder)


def test_the_same_bytes_anywhere(sources, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = [render(sources, PLAN, index, tmp_path / "one") for index in (0, 1)]
    two = [render(sources, PLAN, index, tmp_path / "two") for index in (1, 0)][::-1]
    for first, second in zip(one, two, strict=True):
        assert first.name == second.name
        assert first.read_bytes() == second.read_bytes()
    again = np.load(render(sources, replace(PLAN, shards=3), 2, tmp_path / "one"))
    assert (np.load(one[0]) != again).mean() > 0.5  # of the same light, and other samples


def test_the_same_bytes_in_another_process(sources, tmp_path):
    mine = render(sources, PLAN, 1, tmp_path)
    (tmp_path / "other").mkdir()
    script = (
        "import sys; from pathlib import Path; from twinshot.synth.shards import *\n"
        "photos = tuple(map(Path, sys.argv[2:]))\n"
        "render(Sources(photos), ShardPlan(shards=2, per_shard=3, side=48, real=0.0, seed=4), 1, Path(sys.argv[1]))"
    )
    result = outcome(start(script, tmp_path / "other", *sources.photos))
    assert result.code == 0, result.err
    assert (tmp_path / "other" / mine.name).read_bytes() == mine.read_bytes()


def test_seeds_settings_and_sources_make_other_shards(sources, film, tmp_path):
    changes = ({}, {"seed": 5}, {"side": 64}, {"per_shard": 4}, {"motion": MotionRange()}, {"real": 0.5})
    names = {replace(PLAN, **change).name(sources, 0) for change in changes} | {PLAN.name(sources, 1)}
    assert len(names) == 7
    fewer = Sources(sources.photos[1:])
    (tmp_path / "photos").mkdir()
    larger = [tmp_path / "photos" / path.name for path in sources.photos]
    for path in larger:
        path.write_bytes(b"another picture of that name")
    others = (fewer, Sources(sources.photos, (film,)), Sources(tuple(larger)))
    assert len({PLAN.name(other, 0) for other in others} - names) == 3
    first, second = (np.load(render(sources, replace(PLAN, seed=seed), 0, tmp_path)) for seed in (4, 5))
    assert (first != second).mean() > 0.5


def test_what_is_missing_is_rendered_and_nothing_else(sources, tmp_path):
    paths = render_missing(sources, PLAN, tmp_path / "shards", workers=1)
    assert [path.name for path in paths] == [PLAN.name(sources, 0), PLAN.name(sources, 1)]
    whole = [path.read_bytes() for path in paths]
    kept = paths[0].stat().st_mtime_ns
    paths[1].unlink()
    (tmp_path / "shards" / f".{PLAN.name(sources, 1)}.99").write_bytes(b"left by a killed process")
    assert render_missing(sources, PLAN, tmp_path / "shards", workers=1) == paths
    assert [path.read_bytes() for path in paths] == whole
    assert paths[0].stat().st_mtime_ns == kept


def test_what_another_run_has_rendered_is_taken(sources, tmp_path):
    path = tmp_path / PLAN.name(sources, 0)
    path.write_bytes(b"another run's")
    assert render(sources, PLAN, 0, tmp_path) == path
    assert path.read_bytes() == b"another run's"


def test_nothing_half_made_is_left(sources, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(
        TwinshotError, match=r"srgb-48-3-[0-9a-f]{8}-4-0000\.npy: cannot be written \(No space left on device\)"
    ):
        render(sources, PLAN, 0, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_pairs_are_sharp_and_blurry_in_their_light(sources, tmp_path):
    paths = render_missing(sources, PLAN, tmp_path, workers=1)
    assert [PLAN.kind(index) for index in range(4)] == [*PAIRS, *PAIRS]
    assert [path.name.split("-")[0] for path in paths] == ["srgb", "linear"]
    for shard in open_shards(paths):
        assert isinstance(shard, np.memmap)
        assert shard.shape == (3, 2, 48, 48, 3)
        assert shard.dtype == np.uint16
        sharp, blurry = shard[:, 0].astype(float), shard[:, 1].astype(float)
        assert np.abs(np.diff(sharp, axis=1)).mean() > np.abs(np.diff(blurry, axis=1)).mean()


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (["paper"], PAIRS),
        (["camera", "paper"], PAIRS),
        (["gopro"], (("srgb", "middle"),)),
        (["gopro", "camera"], (("linear", "before"), ("srgb", "middle"))),
    ],
)
def test_kinds_that_profiles_read(names, kinds):
    assert kinds_for([profile_named(name) for name in names]) == kinds


def test_the_middle_kind_has_its_truth_at_the_middle(photos, film, tmp_path):
    """A plan of real frames alone: every sharp frame is the middle one of some window of the film."""
    plan = replace(PLAN, kinds=(("srgb", "middle"),), real=1.0)
    path = render(Sources(images_in(photos), (film,)), plan, 0, tmp_path)
    assert path.name.startswith("srgb-middle-48-")
    pairs = np.load(path) / 65535
    for sharp, blurry in pairs:
        assert np.abs(sharp.mean() - blurry.mean()) < 0.02


def test_real_frames_are_used_as_often_as_planned(photos, film, tmp_path):
    plan, sources = replace(PLAN, per_shard=12, real=0.5), Sources(images_in(photos), (film,))
    pairs = np.load(render(sources, plan, 0, tmp_path))
    drawn = [shards.window_of(sources, plan, np.random.default_rng([plan.seed, 0, number])) for number in range(12)]
    real = [isinstance(window, shards.FrameWindow) for window in drawn]
    assert 2 <= sum(real) <= 10
    for window, pair in zip(drawn, pairs, strict=True):
        if isinstance(window, shards.FrameWindow):
            numbers = [int(path.stem) for path in window.frames]
            assert 3 <= len(numbers) <= 12
            assert len(set(np.diff(numbers))) == 1  # consecutive, forwards or backwards
            sharp, blurry = window.expose("srgb", np.random.default_rng(0))
            np.testing.assert_allclose(pair / 65535, [sharp, blurry], atol=1e-5)


def test_frames_smaller_than_the_crop_are_named(photos, film, tmp_path):
    plan = replace(PLAN, side=128, real=1.0)
    with pytest.raises(TwinshotError, match=r"000\d\d\d\.png: 72x64 is too small"):
        render(Sources(images_in(photos), (film,)), plan, 0, tmp_path)


def test_rendering_ends_with_the_run_that_was_killed():
    """The pipe closes when the last process that could write to it has ended."""
    process = start(
        "import os, time\n"
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "from twinshot.synth import shards\n"
        "pool = ProcessPoolExecutor(1, get_context('spawn'), shards.end_with_parent)\n"
        "print(pool.submit(os.getpid).result())\n"
        "time.sleep(60)"
    )
    assert process.stdout is not None
    assert int(process.stdout.readline()) != process.pid
    process.kill()
    process.communicate(timeout=20)


ENDLESS = """
from threading import Event

class Plan:
    def count(self, sources):
        return 1

    def name(self, sources, index):
        return "shard.npy"

    def pairs(self, sources, index):
        print("renders", flush=True)
        Event().wait()
"""


def test_an_ended_run_does_not_wait_for_what_it_renders(tmp_path):
    """A shard of a hundred thousand pairs takes hours."""
    (tmp_path / "endless.py").write_text(ENDLESS)  # a module of its own, which the process that renders loads, too
    process = start(
        "import sys\n"
        "from pathlib import Path\n"
        "import endless\n"
        "from twinshot.cli import main\n"
        "from twinshot.synth import shards\n"
        "main.clean_up_when_ended()\n"
        "shards.render_missing(shards.Sources(()), endless.Plan(), Path(sys.argv[1]), 1)",
        tmp_path / "shards",
        env_more={"PYTHONPATH": os.pathsep.join([str(SRC), str(tmp_path)])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "renders\n"
    process.send_signal(signal.SIGTERM)
    assert outcome(process).code == 128 + signal.SIGTERM


def test_a_killed_renderer_is_said(sources, tmp_path, monkeypatch):
    def broken(*_):
        raise BrokenProcessPool("terminated abruptly")

    monkeypatch.setattr(shards.ProcessPoolExecutor, "map", broken)
    with pytest.raises(TwinshotError, match="a process that renders shards was killed, possibly out of memory"):
        render_missing(sources, PLAN, tmp_path, workers=1)
