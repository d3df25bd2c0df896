"""The choice of arithmetic: the fastest that is good enough, measured once."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from twinshot.engines import precision


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "twinshot" / "precision.json"


class Clock:
    """Time that only the runs take."""

    now = 0.0

    def __call__(self):
        return self.now

    def run(self, error=0.0, seconds=0.0):
        def call(noisy, blurry):
            self.now += seconds
            return noisy + np.float32(error)

        return call


def run(error=0.0, seconds=0.0):
    def call(noisy, blurry):
        time.sleep(seconds)
        return noisy + np.float32(error)

    return call


@pytest.mark.parametrize(
    ("error", "exact_takes", "low_takes", "best"),
    [
        (0.0005, 0.03, 0.005, "bf16"),
        (0.0005, 0.005, 0.03, "f32"),
        (0.0005, 0.03, 0.03, "f32"),  # no error is worth nothing
        (0.0005, 0.03, 0.028, "f32"),
        (0.0005, 0.03, 0.027, "bf16"),
        (0.01, 0.03, 0.005, "f32"),
        (0.45 / 255, 0.03, 0.005, "f32"),  # too near to what is promised
        (np.nan, 0.03, 0.005, "f32"),  # as some processors compute it
    ],
)
def test_the_fastest_that_is_good_enough(error, exact_takes, low_takes, best):
    clock = Clock()
    runs = {"f32": clock.run(0, exact_takes), "bf16": clock.run(error, low_takes)}
    assert precision.fastest(runs, clock) == best


def test_it_is_measured_once(cache):
    loaded = []

    def load(name):
        loaded.append(name)
        return run(0, 0.02 if name == "f32" else 0.001)

    loaders = {name: lambda name=name: load(name) for name in ("f32", "bf16")}
    assert [precision.best_precision("twin here", loaders) for _ in range(3)] == ["bf16"] * 3
    assert loaded == ["f32", "bf16"]
    assert json.loads(cache.read_text()) == {"twin here": "bf16"}
    assert precision.best_precision("twin elsewhere", {"f32": loaders["f32"]}) == "f32"


def test_a_memory_of_something_else_is_measured_anew(cache):
    cache.parent.mkdir(parents=True)
    loaders = {"f32": lambda: run(0, 0.02), "bf16": lambda: run(0, 0.001)}
    for text in ("{", "[]", '{"twin here": "int8"}', '{"twin elsewhere": "f32"}'):
        cache.write_text(text)
        assert precision.best_precision("twin here", loaders) == "bf16"
        assert json.loads(cache.read_text())["twin here"] == "bf16"


def test_a_user_without_a_home(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(precision.Path, "home", homeless)
    assert precision.best_precision("twin here", {"f32": run}) == "f32"


def test_no_memory_can_be_kept(cache):
    cache.parent.parent.mkdir(parents=True)
    cache.parent.write_text("a file where the folder should be")
    assert precision.best_precision("twin here", {"f32": run}) == "f32"
