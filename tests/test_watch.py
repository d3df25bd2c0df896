"""A folder that fills: what is handed over, when, and once."""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import time
import weakref
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
from helpers import MAIN, outcome, save, save_pairs, start

from twinshot import batch, watch
from twinshot.picture.errors import InputError
from twinshot.watch import PATIENCE, QUIET, arrivals


class Clock:
    """Time that passes only by waiting; `at` are things that happen."""

    def __init__(self, now):
        self.now, self.at = now, {}

    def __call__(self):
        return self.now

    def pause(self, seconds):
        before, self.now = self.now, self.now + seconds
        for moment in sorted(moment for moment in self.at if before < moment <= self.now):
            self.at[moment]()


@pytest.fixture
def scene(frames, photo, tmp_path):
    """Where photographs come from: two pairs and a burst of three."""
    place = tmp_path / "camera"
    save_pairs(place, frames, photo, "s1", "l1", "s2", "l2")
    for index in range(3):
        noise = np.random.default_rng(index).normal(0, 2, photo[:160, :224].shape)
        save(place / f"b{index}.png", (photo[:160, :224] + noise).clip(0, 255).astype(np.uint8))
    return place


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "night"
    place.mkdir()
    return place


def handed_over(folder, clock, seconds):
    """Names of the short frames, with the second in which their jobs came."""
    found, began = [], clock.now
    plans = arrivals([folder], clock=clock, pause=clock.pause)

    def end():
        raise KeyboardInterrupt

    clock.at[began + seconds] = end
    with suppress(KeyboardInterrupt):
        for plan in plans:
            found += [(job.short[0].stem, clock.now - began) for job in plan.jobs]
            found += [(path.name, clock.now - began) for path, _ in plan.unreadable]
    return found


def put(scene, folder, *names):
    """Copies that are new, whatever the times of the originals."""
    for name in names:
        shutil.copyfile(scene / f"{name}.png", folder / f"{name}.png")


def now_of(folder):
    return folder.stat().st_mtime


def test_a_pair_once_it_is_quiet(scene, folder):
    clock = Clock(now_of(folder))
    began = clock.now
    clock.at = {began + 2: lambda: put(scene, folder, "s1"), began + 4.5: lambda: put(scene, folder, "l1")}
    ((name, second),) = handed_over(folder, clock, 60)
    assert name == "s1"
    assert 4.5 + QUIET <= second <= 4.5 + QUIET + 2


def test_a_pair_that_was_there_comes_at_once(scene, folder):
    put(scene, folder, "s1", "l1")
    clock = Clock(max(path.stat().st_ctime for path in folder.iterdir()) + QUIET)
    assert handed_over(folder, clock, 3) == [("s1", 0.0)]


def test_what_is_still_being_written_is_waited_for(scene, folder):
    put(scene, folder, "s1")
    whole = (scene / "l1.png").read_bytes()
    clock = Clock(now_of(folder))
    began = clock.now
    for second in range(20):
        part = whole[: len(whole) * (second + 1) // 20]
        clock.at[began + second + 0.5] = lambda part=part: (folder / "l1.png").write_bytes(part)
    ((name, second),) = handed_over(folder, clock, 60)
    assert (name, second >= 19.5 + QUIET) == ("s1", True)


def test_a_burst_waits_for_its_long_frame(scene, folder):
    put(scene, folder, "b0", "b1", "b2")
    clock = Clock(now_of(folder))
    ((name, second),) = handed_over(folder, clock, PATIENCE + 10)
    assert (name, PATIENCE - 1 <= second <= PATIENCE + 2) == ("b0", True)


def test_a_folder_that_is_never_quiet(scene, folder):
    put(scene, folder, "s1", "l1")
    clock = Clock(now_of(folder))
    began = clock.now
    for second in range(2, int(PATIENCE) + 10, 3):
        clock.at[began + second] = lambda second=second: os.utime(folder / "stray.png", (second, second))
    put(scene, folder, "l2")
    (folder / "l2.png").rename(folder / "stray.png")
    ((name, second),) = handed_over(folder, clock, PATIENCE + 8)
    assert (name, PATIENCE - 1 <= second <= PATIENCE + 2) == ("s1", True)


def test_a_broken_file_is_told_once_and_again_when_it_has_changed(scene, folder):
    (folder / "x.png").write_bytes(b"broken")
    clock = Clock(now_of(folder))
    began = clock.now
    clock.at = {began + 20: lambda: (folder / "x.png").write_bytes(b"broken still")}
    found = handed_over(folder, clock, 60)
    assert [name for name, _ in found] == ["x.png", "x.png"]
    assert found[1][1] >= 20 + QUIET


def test_a_file_is_looked_at_once(scene, folder, monkeypatch):
    looked = []
    glance = watch.glance
    monkeypatch.setattr(watch, "glance", lambda path, *how: looked.append(path.name) or glance(path, *how))
    put(scene, folder, "s1", "l1", "s2", "l2")
    clock = Clock(now_of(folder))
    assert len(handed_over(folder, clock, 20)) == 2
    assert sorted(looked) == ["l1.png", "l2.png", "s1.png", "s2.png"]


def test_a_pair_that_only_noise_tells_apart_is_read_once(scene, folder, photo, rng, monkeypatch):
    """Whatever comes after it."""
    noise = rng.normal(0, 12, photo.shape)
    save(folder / "y.png", photo)
    save(folder / "z.png", (photo + noise).clip(0, 255).astype(np.uint8))
    pairs = []
    read_pair = batch.read_pair
    monkeypatch.setattr(batch, "read_pair", lambda *pair: pairs.append(pair) or read_pair(*pair))
    clock = Clock(now_of(folder))
    clock.at = {
        clock.now + second: lambda name=name: put(scene, folder, name) for second, name in ((20, "s1"), (40, "s2"))
    }
    assert [name for name, _ in handed_over(folder, clock, 60)] == ["z"]
    assert len(pairs) == 1


def test_a_pair_that_cannot_be_read_is_read_once(scene, folder, photo, rng, monkeypatch):
    """Whatever comes after it, and again when it has changed."""
    save(folder / "y.png", photo)
    save(folder / "z.png", (photo + rng.normal(0, 12, photo.shape)).clip(0, 255).astype(np.uint8))
    pairs = []

    def damaged(*pair):
        pairs.append(pair)
        raise InputError("y.png: is damaged")

    monkeypatch.setattr(batch, "read_pair", damaged)
    clock = Clock(now_of(folder))
    began = clock.now
    clock.at = {began + second: partial(put, scene, folder, name) for second, name in ((20, "s1"), (40, "s2"))}
    assert [name for name, _ in handed_over(folder, clock, 60)] == ["y.png"]
    assert len(pairs) == 1
    clock.at = {clock.now + 20: lambda: os.utime(folder / "y.png", (1, 1))}
    handed_over(folder, clock, 60)
    assert len(pairs) == 3


def test_what_files_showed_goes_with_them(scene, folder, monkeypatch):
    shown = []
    glance = watch.glance

    def noted(path, *how):
        shot = glance(path, *how)
        shown.append(weakref.ref(shot))
        return shot

    monkeypatch.setattr(watch, "glance", noted)
    put(scene, folder, "s1", "l1", "s2")
    (folder / "x.png").write_bytes(b"broken")
    clock = Clock(now_of(folder))
    began = clock.now

    def gone():
        for name in ("s1", "l1"):
            (folder / f"{name}.png").unlink()

    def count():
        gc.collect()
        left.append(sum(shot() is not None for shot in shown))

    left = []
    clock.at = {began + 20: gone, began + 40: count}
    handed_over(folder, clock, 50)
    assert (len(shown), left) == (3, [1])


@pytest.fixture
def _foreground():
    """Ctrl-C is obeyed, which tests in the background begin without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_foreground")
def test_the_command_restores_what_arrives_and_ends_with_the_table(command, scene, folder, monkeypatch):
    """Ended, and called again: what is done is not done twice."""
    clock = Clock(now_of(folder))
    monkeypatch.setattr(watch, "arrivals", partial(arrivals, clock=clock, pause=clock.pause))

    def end():
        raise KeyboardInterrupt

    def watched():
        clock.at[clock.now + 30] = end
        return command("restore", folder, "--watch", "-o", folder / "out")

    clock.at = {clock.now + 3: lambda: put(scene, folder, "s1", "l1"), clock.now + 20: lambda: put(scene, folder, "l2")}
    first = watched()
    assert first.code == 0, first.err
    assert f"Watching {folder}. Press Ctrl-C to end." in first.out
    assert "1 restored, 0 existed, 1 skipped, 0 failed" in first.out
    clock.at = {clock.now + 3: lambda: put(scene, folder, "s2")}
    second = watched()
    assert "1 restored, 1 existed, 0 skipped, 0 failed" in second.out
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["s1-restored.png", "s2-restored.png"]


@pytest.mark.parametrize(
    ("ending", "busy"), [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGTERM, True)]
)
def test_whoever_ends_it_gets_the_table(scene, folder, frames, ending, busy):
    """What was done by then is there and in the table; what was worked on leaves nothing behind."""
    put(scene, folder, "s1", "l1")
    if busy:
        for name, frame in zip(("x_short", "x_long"), frames, strict=True):
            save(folder / f"{name}.png", np.tile(frame, (6, 10, 1)))
    process = start(MAIN, "restore", folder, "--watch", "-o", folder / "out")
    _first_is_done(folder)
    time.sleep(0 if busy else 1)
    process.send_signal(ending)
    ended = outcome(process)
    assert (ended.code, ended.err) == (0, "")
    assert "1 restored, 0 existed, 0 skipped, 0 failed" in ended.out
    assert ("x_short.png + x_long.png" in ended.out) == busy
    assert [path.name for path in (folder / "out").iterdir()] == ["s1-restored.png"]


def _first_is_done(folder):
    deadline = time.monotonic() + 100
    while not (folder / "out" / "s1-restored.png").exists() and time.monotonic() < deadline:
        time.sleep(0.05)


def test_what_a_script_starts_in_the_background_is_told_how_to_end(scene, folder):
    """Its shell has it ignore Ctrl-C, which is meant for what runs in the foreground."""
    put(scene, folder, "s1", "l1")
    (folder / "x.png").write_bytes(b"broken")
    ignoring = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    report = folder / "report.json"
    process = start(f"{ignoring}; {MAIN}", "restore", folder, "--watch", "-o", folder / "out", "--report", report)
    _first_is_done(folder)
    process.send_signal(signal.SIGINT)
    time.sleep(1)
    assert process.poll() is None
    process.terminate()
    ended = outcome(process)
    assert (ended.code, f"`kill {process.pid}` ends it." in ended.out) == (1, True), ended  # x.png failed
    assert "1 restored, 0 existed, 0 skipped, 1 failed" in ended.out
    assert len(json.loads(report.read_text())) == 1


def test_what_cannot_be_watched(command, files, folder):
    for given in (files, (folder, "--plan"), ()):
        result = command("restore", "--watch", *given)
        assert (result.code, "--watch is for folders; name them, without --plan, --pairs and --on" in result.err) == (
            2,
            True,
        )
