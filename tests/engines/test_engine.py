"""The shipped networks keep their promise: float32 in, float32 out, any multiple of their multiple."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from twinshot.engines import engine, precision
from twinshot.machine import threads
from twinshot.picture.pair import SMALLEST_SIDE, TwinshotError

NAMES = list(engine.manifest())


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    """What is remembered of the processor stays within the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def models():
    return {name: engine.load_model(name) for name in NAMES}


@pytest.mark.parametrize("kind", engine.ENGINES)
@pytest.mark.parametrize("name", NAMES)
def test_every_engine_computes_the_same(models, name, kind, photo):
    """Within half an 8-bit level on a picture where it may compute in bf16 or int8; elsewhere but for rounding."""
    model = models[name]
    clean = (photo[60:124, 100:196] / np.float32(255)).transpose(2, 0, 1)[None]
    noise = np.random.default_rng(1).normal(0, 0.1, clean.shape)
    frames = ((clean + noise).clip(0, 1).astype(np.float32), np.ascontiguousarray(clean))
    wanted, found = model.run(*frames), engine.load_model(name, kind).run(*frames)
    assert found.shape == wanted.shape
    assert found.dtype == np.float32
    error = np.sqrt(np.mean((found - wanted) ** 2))
    assert error < (precision.TOLERANCE if kind in ("int8", "openvino") else 1e-4)


@pytest.mark.parametrize(
    ("kind", "module", "extra"), [("openvino", "openvino", "openvino"), ("torch", "torch", "train")]
)
def test_an_engine_whose_package_is_missing(monkeypatch, kind, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(TwinshotError, match=rf"engine '{kind}' needs its packages: pip install 'twinshot\[{extra}\]'"):
        _ = engine.load_model("twin", kind).run


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cells", [(1, 1), (2, 5), (7, 3)])
def test_shapes_and_types(models, name, cells):
    model = models[name]
    height, width = (max(SMALLEST_SIDE, count * model.multiple) for count in cells)
    frames = np.random.default_rng(0).random((2, 1, 3, height, width), np.float32)
    out = model.run(*frames)
    assert out.shape == (1, 3, height, width)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(model.run(*frames), out)


@pytest.mark.parametrize("kind", engine.ENGINES)
def test_threads_share_a_model(kind):
    model = engine.load_model("twin", kind)
    frames = np.random.default_rng(0).random((4, 2, 1, 3, 64, 96), np.float32)
    alone = [model.run(*pair) for pair in frames]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda pair: model.run(*pair), np.tile(frames, (4, 1, 1, 1, 1, 1))))
    for number, found in enumerate(together):
        np.testing.assert_allclose(found, alone[number % 4], atol=1e-3)


@pytest.mark.parametrize("kind", ["openvino", "torch"])
def test_what_an_engine_says_of_a_failure_is_said_in_one_line(kind):
    model = engine.load_model("twin", kind)
    with pytest.raises(TwinshotError, match=r"twin\.onnx: could not be run"):
        model.run(*np.zeros((2, 1, 2, 64, 64), np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_a_clean_pair_comes_through(models, name, photo):
    frame = np.ascontiguousarray((photo[:256, :256] / np.float32(255)).transpose(2, 0, 1)[None])
    assert np.abs(models[name].run(frame, frame) - frame).mean() < 0.03


@pytest.mark.parametrize("name", NAMES)
def test_the_manifest_tells_the_truth(name):
    card = engine.manifest()[name]
    data = Path(card["folder"], card["file"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == card["sha256"]
    assert len(data) <= (10e6 if card["folder"] == str(engine.WEIGHTS) and name != "twin-large" else 30e6)
    assert {"file", "multiple", "trained_on", "licence", "quality"} <= card.keys()
    assert engine.load_model(name).fallback.name == card.get("fallback", name)


def test_the_default_leaves_unlike_frames_to_a_network_of_the_noisy_one():
    fallback = engine.load_model("twin").fallback
    assert fallback.card["folder"] == str(engine.WEIGHTS)
    assert fallback.card["training"]["recipe"]["net"]["settings"]["inputs"] == ["noisy"]


def test_models_of_another_folder(monkeypatch, tmp_path):
    card = engine.read_manifest(engine.WEIGHTS)["twin"]
    (tmp_path / card["file"]).write_bytes((engine.WEIGHTS / card["file"]).read_bytes())
    (tmp_path / "manifest.json").write_text(json.dumps({"mine": card, "twin": {**card, "sha256": "0"}}))
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(tmp_path))
    assert list(engine.manifest()) == ["twin", "twin-noisy", "twin-large", "mine"]
    assert engine.load_model("mine").path == tmp_path / card["file"]
    assert engine.load_model("twin").path == engine.WEIGHTS / card["file"]  # the package's name is its own
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(TwinshotError, match=r"manifest\.json: cannot be read as a list of models"):
        engine.manifest()


@pytest.mark.parametrize("text", ["[]", "3", '{"x": 3}', '{"x": {}}'])
def test_a_list_of_models_that_is_none(monkeypatch, tmp_path, text):
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(tmp_path))
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(TwinshotError, match=r"manifest\.json: "):
        engine.manifest()


def test_the_named_folder_of_models(monkeypatch, tmp_path):
    monkeypatch.setenv("TWINSHOT_WEIGHTS", "")
    assert "twin" in engine.manifest()
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(tmp_path / "typo"))
    with pytest.raises(TwinshotError, match="typo: no such folder"):
        engine.manifest()


def test_threads_are_those_the_process_may_use():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system pins no processes")
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert threads() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert threads() == len(allowed)
