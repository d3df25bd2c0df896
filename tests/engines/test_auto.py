"""The engine that is chosen where none is named: the fastest that is as good as exact, and another where it fails."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest

import twinshot
from twinshot.engines import auto, loading, precision
from twinshot.engines.engine import Loaded
from twinshot.engines.loading import ENGINES, load_model
from twinshot.picture.errors import ModelError


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TWINSHOT_ENGINE")
    loading.forget()
    yield tmp_path / "cache" / "twinshot" / "precision.json"
    loading.forget()


class Engine:
    """An engine that makes the short frame a little brighter, on a clock of its own; it may fail."""

    loads = 0

    def __init__(self, clock, seconds, error=0.0, load_fails=None, run_fails=False):
        self.clock, self.seconds, self.error = clock, seconds, error
        self.load_fails, self.run_fails = load_fails, run_fails

    def __call__(self, path, card):
        self.loads += 1
        if self.load_fails:
            raise self.load_fails
        return Loaded(self.run, "f32" if not self.error else "bf16")

    def run(self, noisy, blurry):
        if self.run_fails:
            raise ModelError("no memory")
        self.clock[0] += self.seconds
        return noisy + np.float32(self.error)


@pytest.fixture
def engines(monkeypatch):
    """ONNX Runtime and OpenVINO, the second twice as fast."""
    clock = [0.0]
    monkeypatch.setattr(auto, "fastest", partial(precision.fastest, clock=lambda: clock[0]))
    made = {"onnx": Engine(clock, 0.2), "openvino": Engine(clock, 0.1, 0.0005)}
    for name, engine in made.items():
        monkeypatch.setitem(ENGINES, name, engine)
    monkeypatch.setattr(auto, "installed", lambda card: tuple(made))
    return made


def used(name="twin"):
    """The engine and the arithmetic of a model that is loaded anew."""
    loading.forget()
    loaded = load_model(name).loaded
    return loaded.engine, loaded.arithmetic


def test_the_fastest_is_chosen_and_remembered(engines, cache):
    assert [used(), used()] == [("openvino", "bf16")] * 2
    assert engines["onnx"].loads == 1  # the second time nothing was measured
    (key,) = (key for key, name in json.loads(cache.read_text()).items() if name == "openvino")
    assert ": onnx, openvino " in key


@pytest.mark.parametrize(("seconds", "error"), [(0.19, 0.0005), (0.3, 0.0), (0.1, 0.01), (0.1, np.nan)])
def test_the_first_stays_where_nothing_better_is_good_enough(engines, seconds, error):
    engines["openvino"].seconds, engines["openvino"].error = seconds, error
    assert used()[0] == "onnx"


def test_one_engine_is_not_measured(engines, monkeypatch, cache):
    monkeypatch.setattr(auto, "installed", lambda card: ("onnx",))
    assert used() == ("onnx", "f32")
    assert engines["onnx"].clock == [0.0]
    assert not cache.exists()


@pytest.mark.parametrize("when", ["load", "run"])
def test_what_fails_at_first_is_said_and_not_chosen(engines, when, caplog):
    engines["openvino"].load_fails = RuntimeError("no such symbol") if when == "load" else None
    engines["openvino"].run_fails = when == "run"
    assert used()[0] == "onnx"
    (said,) = (record.getMessage() for record in caplog.records)
    assert said.startswith("Engine 'openvino' is installed but cannot be used here (no ")
    assert used()[0] == "onnx"
    assert len(caplog.records) == 1


def test_what_was_chosen_may_fail_later(engines, caplog):
    assert used()[0] == "openvino"
    engines["openvino"].load_fails = ImportError("gone")
    assert used() == ("onnx", "f32")
    assert "(gone)" in caplog.text


def test_a_device_without_memory_for_a_tile(engines, caplog, rng):
    """The tile is made by ONNX Runtime, which goes on with the rest; the report says so."""
    frames = rng.random((2, 64, 64, 3), np.float32)
    network = load_model("twin")
    assert network.loaded.engine == "openvino"
    engines["openvino"].run_fails = True
    report = twinshot.restore(*frames, model=network).report
    assert (report["engine"], report["arithmetic"]) == ("onnx", "f32")
    assert caplog.text.count("(no memory)") == 1


def test_the_first_fails_as_ever(engines):
    engines["onnx"].load_fails = ModelError("broken")
    with pytest.raises(ModelError, match="broken"):
        used()


def test_the_environment_names_an_engine(monkeypatch):
    monkeypatch.setenv("TWINSHOT_ENGINE", "onnx")
    assert load_model("twin").engine == "onnx"
    monkeypatch.setenv("TWINSHOT_ENGINE", "fast")
    with pytest.raises(ModelError, match="no engine is called 'fast'; choose from auto, onnx"):
        load_model("twin")


def test_what_is_installed(monkeypatch):
    card = load_model("twin").card
    monkeypatch.setattr(auto, "find_spec", lambda name: None)
    for driver in (False, True):
        monkeypatch.setattr(auto, "has_cuda_driver", lambda driver=driver: driver)
        monkeypatch.setattr(auto.onnx, "has_cuda", lambda: True)
        monkeypatch.setattr(auto.torch, "has_cuda", lambda: True)
        assert auto.installed(card) == ("onnx", "int8", *(("cuda", "torch") if driver else ()))


def test_the_command_says_what_fails(engines, command, files):
    engines["openvino"].load_fails = RuntimeError("no such symbol")
    result = command("restore", *files, "--quiet")
    assert result.code == 0
    assert result.err.startswith("note: Engine 'openvino' is installed but cannot be used here (no such symbol)")
