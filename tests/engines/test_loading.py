"""The shipped networks keep their promise in every engine, are loaded once, and are shared by threads."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import onnx
import pytest
from helpers import copied_to

from twinshot.engines import loading, openvino, precision
from twinshot.engines.engine import Loaded
from twinshot.engines.loading import ENGINES, load_model
from twinshot.engines.models import manifest
from twinshot.picture.errors import ModelError, TwinshotError
from twinshot.picture.pair import SMALLEST_SIDE

NAMES = list(manifest())


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch, tmp_path):
    """What is remembered of the processor stays within the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def models():
    return {name: load_model(name) for name in NAMES}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name, card in manifest().items()
        for kind in ENGINES
        # Without integers it is ONNX Runtime in f32 again; CUDA's is not for every machine.
        if kind not in ("onnx", "cuda") and (kind != "int8" or card.int8)
    ],
)
def test_every_engine_computes_the_same(models, name, kind, photo, rng):
    """Within half an 8-bit level on a picture where it may compute in bf16 or int8; elsewhere but for rounding."""
    model = models[name]
    clean = (photo[60:124, 100:196] / np.float32(255)).transpose(2, 0, 1)[None]
    noise = rng.normal(0, 0.1, clean.shape)
    frames = ((clean + noise).clip(0, 1).astype(np.float32), np.ascontiguousarray(clean))
    wanted, found = model.run(*frames), load_model(name, kind).run(*frames)
    assert found.shape == wanted.shape
    assert found.dtype == np.float32
    error = np.sqrt(np.mean((found - wanted) ** 2))
    assert error < (precision.TOLERANCE if kind in ("int8", "openvino") else 1e-4)


@pytest.mark.parametrize(
    ("kind", "module", "extra"), [("openvino", "openvino", "openvino"), ("torch", "torch", "cuda")]
)
def test_an_engine_whose_package_is_missing(monkeypatch, kind, module, extra):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        TwinshotError, match=rf"engine '{kind}' needs its packages; run pip install 'twinshot\[{extra}\]'"
    ):
        _ = load_model("twin", kind).run


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cells", [(1, 1), (2, 5), (7, 3)])
def test_shapes_and_types(models, name, cells, rng):
    model = models[name]
    height, width = (max(SMALLEST_SIDE, count * model.multiple) for count in cells)
    frames = rng.random((2, 1, 3, height, width), np.float32)
    out = model.run(*frames)
    assert out.shape == (1, 3, height, width)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(model.run(*frames), out)


@pytest.mark.parametrize("kind", [kind for kind in ENGINES if kind != "cuda"])
def test_threads_share_a_model(kind, rng):
    model = load_model("twin", kind)
    frames = rng.random((4, 2, 1, 3, 64, 96), np.float32)
    alone = [model.run(*pair) for pair in frames]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda pair: model.run(*pair), np.tile(frames, (4, 1, 1, 1, 1, 1))))
    for number, found in enumerate(together):
        np.testing.assert_allclose(found, alone[number % 4], atol=1e-3)


@pytest.mark.parametrize("threads", ["1", "2"])
@pytest.mark.parametrize("kind", ["openvino", "torch"])
def test_what_an_engine_says_of_a_failure_is_said_in_one_line(kind, threads, monkeypatch):
    """On one thread, too, where OpenVINO's own `infer` gives an empty picture instead."""
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    loading.forget()  # one that was loaded for another number of threads
    model = load_model("twin", kind)
    with pytest.raises(TwinshotError, match=r"twin\.onnx: could not be run [^\n]+$"):
        model.run(*np.zeros((2, 1, 2, 64, 64), np.float32))


def test_a_result_of_another_size_than_the_frames_is_a_failure(tmp_path):
    """Of a network that halves its frames."""
    sides = [1, 3, "height", "width"]
    frames, halved = (
        [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, sides) for name in names]
        for names in (("noisy", "blurry"), ("restored",))
    )
    nodes = [
        onnx.helper.make_node("Add", ["noisy", "blurry"], ["both"]),
        onnx.helper.make_node("AveragePool", ["both"], ["restored"], kernel_shape=[2, 2], strides=[2, 2]),
    ]
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph(nodes, "halves", frames, halved)), tmp_path / "halves.onnx")
    with pytest.raises(ModelError, match=r"halves\.onnx: could not be run \(its result has the shape"):
        openvino.load(tmp_path / "halves.onnx", manifest()["twin"]).run(*np.zeros((2, 1, 3, 64, 96), np.float32))


@pytest.mark.parametrize("name", NAMES)
def test_a_clean_pair_comes_through(models, name, photo):
    frame = np.ascontiguousarray((photo[:256, :256] / np.float32(255)).transpose(2, 0, 1)[None])
    assert np.abs(models[name].run(frame, frame) - frame).mean() < 0.03


def test_a_model_is_loaded_once(monkeypatch):
    """By however many threads, and by name as much as by hand."""
    starts, begin = [], Barrier(8)

    def load(path, card):
        starts.append(path)
        time.sleep(0.05)
        return Loaded(lambda noisy, blurry: noisy)

    monkeypatch.setitem(ENGINES, "onnx", load)
    loading.forget()

    def use(_):
        begin.wait()
        return load_model("twin").run

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(use, range(8)))) == 1
    assert len(starts) == 1
    assert load_model("twin") is load_model("twin")
    assert load_model("twin", "int8") is not load_model("twin")
    loading.forget()


def test_a_model_whose_file_has_changed_is_not_the_one_in_memory(monkeypatch, tmp_path):
    copied_to(tmp_path, "mine")
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(tmp_path))
    before = load_model("mine")
    assert load_model("mine") is before
    (tmp_path / "twin.onnx").write_bytes(b"something else")
    with pytest.raises(ModelError, match=r"twin\.onnx: does not match the checksum"):
        load_model("mine")


def test_the_best_of_a_network_is_the_same_whichever_way_a_picture_lies(models, rng):
    """What the plain one is not: that is what it gains by."""
    frames = [rng.random((1, 3, 32, 64), np.float32) for _ in range(2)]
    model = models["twin"]
    for run, turned_alike in ((model.run, False), (model.best.run, True)):
        upright = run(*frames)
        turned = run(*(np.ascontiguousarray(np.rot90(frame[..., ::-1], 1, (2, 3))) for frame in frames))
        assert upright.shape == (1, 3, 32, 64)
        assert np.allclose(np.rot90(turned, -1, (2, 3))[..., ::-1], upright, atol=1e-4) == turned_alike
    assert np.abs(model.best.run(*frames) - model.run(*frames)).mean() < 0.05


def test_the_best_of_a_network_goes_on_in_its_fallback(models):
    best = models["twin"].best
    assert (best.orientations, models["twin"].orientations) == (8, 1)
    assert best.best is best
    assert (best.fallback.name, best.fallback.orientations) == ("twin-noisy", 8)
    assert (best.name, best.card, best.engine) == ("twin", models["twin"].card, models["twin"].engine)
