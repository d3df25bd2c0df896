"""The graph in 8-bit integers: which layers it has, and how near it stays."""

from __future__ import annotations

import json
import shutil
from copy import deepcopy
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from twinshot.engines import precision
from twinshot.engines.loading import load_model
from twinshot.engines.models import as_table, read_manifest
from twinshot.export.quantise import Frames, quantised, rounding, wide_convolutions
from twinshot.export.release import add_to_manifest
from twinshot.export.to_onnx import averaged, export, in_integers, integers_beside, to_onnx
from twinshot.nets import build
from twinshot.picture.pair import TwinshotError
from twinshot.train.config import recipe_from
from twinshot.train.loop import save
from twinshot.train.step import new_state

WIDE = {"channels": [8, 96, 96], "encoder": [1, 1, 1], "decoder": [1, 1]}
NARROW = {"channels": [4, 6], "encoder": [1, 1], "decoder": [1]}


@pytest.fixture(scope="module")
def pairs() -> list[Frames]:
    rng = np.random.default_rng(0)
    noisy, blurry = rng.random((2, 3, 1, 3, 64, 96), np.float32)
    return list(zip(noisy, blurry, strict=True))


@torch.no_grad()
def lively(net: nn.Module, scale: float = 0.02) -> nn.Module:
    for p in net.parameters():
        p.add_(torch.randn_like(p), alpha=scale)
    return net.eval()


def saved(settings: dict[str, list[int]], path: Path) -> Path:
    """A checkpoint of such a network."""
    torch.manual_seed(0)
    recipe = recipe_from({"name": "wide", "net": {"kind": "twin", "settings": settings}})
    state = new_state(recipe)
    lively(state.average)
    save(state, recipe, path)
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(WIDE, tmp_path_factory.mktemp("run") / "checkpoint.pt")


@pytest.fixture(scope="module")
def exact(checkpoint: Path) -> onnx.ModelProto:
    """The checkpoint's graph in single precision, which takes seconds to make; whoever changes it copies it first."""
    return to_onnx(averaged(checkpoint)[0])


@pytest.fixture(scope="module")
def exported(
    checkpoint: Path, exact: onnx.ModelProto, pairs: list[Frames], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the model `wide`, integers beside it."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("twinshot.export.to_onnx.to_onnx", lambda net: deepcopy(exact))
        add_to_manifest(checkpoint, "wide", folder, calibration=pairs)
    return folder


@pytest.fixture
def weights(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, of a test's own, where models are looked for."""
    folder = shutil.copytree(exported, tmp_path / "weights")
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_integers_stay_near_at_every_size(
    exact: onnx.ModelProto, pairs: list[Frames], rng: np.random.Generator
) -> None:
    integers = quantised(deepcopy(exact), pairs)
    assert 1e-6 < rounding(integers, exact, pairs) < precision.TOLERANCE
    session = onnxruntime.InferenceSession(integers.SerializeToString(), providers=["CPUExecutionProvider"])
    noisy, blurry = rng.random((2, 1, 3, 48, 176), np.float32)
    restored = session.run(None, {"noisy": noisy, "blurry": blurry})[0]
    assert restored.shape == noisy.shape


def test_only_wide_convolutions_are_chosen(exact: onnx.ModelProto, pairs: list[Frames]) -> None:
    chosen = wide_convolutions(exact)
    # Two stages on the way down and one on the way up are 96 wide, each one block of two convolutions.
    assert len(chosen) == 6
    weights = [w for w in quantised(deepcopy(exact), pairs).graph.initializer if w.data_type == onnx.TensorProto.INT8]
    kernels = [tuple(w.dims) for w in weights if len(w.dims) == 4]
    assert kernels == [(96, 96, 3, 3)] * 6


def test_a_net_without_wide_convolutions_has_no_such_graph(pairs: list[Frames]) -> None:
    narrow = to_onnx(build("twin", NARROW).eval())
    with pytest.raises(TwinshotError, match=r"narrow\.pt: has no layers that gain from 8-bit integers"):
        in_integers(narrow, pairs, Path("narrow.pt"))


def test_a_net_of_one_frame_has_one(pairs: list[Frames]) -> None:
    exact = to_onnx(lively(build("twin", {**WIDE, "inputs": ["noisy"]})))
    assert 1e-6 < rounding(quantised(exact, pairs), exact, pairs) < precision.TOLERANCE


def test_both_graphs_are_exported_and_listed(weights: Path, tmp_path: Path) -> None:
    card = read_manifest(weights)["wide"]
    assert card.int8 is not None
    assert card.int8.file == "wide.int8.onnx"
    assert 0 < card.int8.rounding < precision.TOLERANCE
    assert (weights / "wide.int8.onnx").stat().st_size < (weights / "wide.onnx").stat().st_size
    assert add_to_manifest(saved(NARROW, tmp_path / "narrow.pt"), "wide", weights).int8 is None
    assert not integers_beside(weights / "wide.onnx").exists()


def test_a_loss_that_is_too_large_stops_the_export(
    checkpoint: Path, exact: onnx.ModelProto, pairs: list[Frames], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twinshot.export.to_onnx.to_onnx", lambda net: deepcopy(exact))
    monkeypatch.setattr("twinshot.export.to_onnx.TOLERANCE", 1e-7)
    with pytest.raises(TwinshotError, match="8-bit integers change the output by"):
        export(checkpoint, tmp_path / "wide.onnx", pairs)
    assert not list(tmp_path.glob("*.onnx"))


@pytest.mark.parametrize("arithmetic", ["int8", "f32"])
def test_the_engine_runs_the_graph_that_was_found_best(
    weights: Path, pairs: list[Frames], monkeypatch: pytest.MonkeyPatch, arithmetic: str
) -> None:
    offered: list[set[str]] = []
    monkeypatch.setattr(precision, "fastest", lambda runs: offered.append(set(runs)) or arithmetic)
    exact, chosen = (load_model("wide", name).loaded for name in ("onnx", "int8"))
    assert offered == [{"f32", "int8"}]
    assert (exact.arithmetic, chosen.arithmetic) == ("f32", arithmetic)
    difference = np.abs(chosen.run(*pairs[0]) - exact.run(*pairs[0])).max()
    assert (difference > 0) == (arithmetic == "int8")


def test_a_model_without_integers_runs_exactly(weights: Path, pairs: list[Frames]) -> None:
    table = as_table(read_manifest(weights)["wide"])
    del table["int8"]
    (weights / "manifest.json").write_text(json.dumps({"wide": table}))
    loaded = load_model("wide", "int8").loaded
    assert loaded.arithmetic == "f32"
    np.testing.assert_array_equal(loaded.run(*pairs[0]), load_model("wide").run(*pairs[0]))


def test_a_damaged_graph_is_noticed(weights: Path) -> None:
    (weights / "wide.int8.onnx").write_bytes(b"something else")
    with pytest.raises(TwinshotError, match=r"wide\.int8\.onnx: does not match the checksum"):
        _ = load_model("wide", "int8").run
