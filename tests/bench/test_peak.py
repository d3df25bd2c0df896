"""The machine's convolutions: what they compute is known, how fast is not tested."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from msgspec import structs

from twinshot.bench import peak
from twinshot.engines.engine import Loaded
from twinshot.engines.loading import ENGINES, Model
from twinshot.engines.models import manifest


def test_the_graph_is_a_chain_of_convolutions(rng):
    session = onnxruntime.InferenceSession(peak.chain_of_convolutions(8), providers=["CPUExecutionProvider"])
    frames = rng.random((2, 1, 3, 20, 36), np.float32)
    found = session.run(None, {"noisy": frames[0], "blurry": frames[1]})[0]
    assert found.shape == (1, 3, 20, 36)
    twice = session.run(None, {"noisy": 2 * frames[0], "blurry": frames[1]})[0]
    np.testing.assert_allclose(twice, 2 * found, rtol=1e-4, atol=1e-6)
    assert 0.001 < found.std() < 0.5


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_it_is_measured(engine, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(peak, "WIDTHS", (16,))
    monkeypatch.setattr(peak, "SIDE", 32)
    found = peak.gflops(engine)
    assert found is not None
    assert 0.01 < found < 1e5


@pytest.mark.parametrize("engine", ["torch", "int8"])
def test_engines_that_run_no_bare_graphs(engine):
    assert peak.gflops(engine) is None


def test_a_networks_operations(monkeypatch, tmp_path):
    seen = []

    def run(noisy, blurry):
        seen.append(noisy.shape)
        return noisy

    model = Model("small", structs.replace(manifest()["twin"], multiple=16, flops_per_pixel=1000.0), "fake", tmp_path)
    monkeypatch.setitem(ENGINES, "fake", lambda path, card: Loaded(run))
    operations, seconds = peak.network_gflops(model, 30, 50)
    assert set(seen) == {(1, 3, 32, 64)}
    assert operations == pytest.approx(1000 * 32 * 64 / 1e9)
    assert seconds >= 0
