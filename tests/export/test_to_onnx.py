"""The graph that ships computes what the network computes, at any size."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from msgspec.structs import replace
from torch import Tensor, nn

from twinshot.engines.models import Training
from twinshot.export.to_onnx import export, sizes_for, to_onnx
from twinshot.nets import build
from twinshot.nets.blocks import remove_spectral_norm
from twinshot.picture.pair import TwinshotError
from twinshot.train.config import as_table, recipe_from
from twinshot.train.loop import load_into, save
from twinshot.train.step import new_state

SMALL: dict[str, dict[str, Any]] = {
    "twin": {"channels": [4, 6, 8, 8], "encoder": [1, 1, 1, 1], "decoder": [1, 1, 1]},
    "rnn": {"base_channels": 2, "levels": 3},
    "merger": {"base_channels": 2, "levels": 3},
}
VARIANTS = [
    *SMALL.items(),
    ("twin", {"channels": [2, 4, 6, 8], "encoder": [0, 1, 1, 1], "decoder": [1, 0, 1]}),
    ("merger", {"base_channels": 2, "levels": 3, "inputs": ["noisy"]}),
    pytest.param("rnn", {"base_channels": 2, "levels": 3, "flow": False}, marks=pytest.mark.slow),
    pytest.param("rnn", {"base_channels": 2, "levels": 8}, marks=pytest.mark.slow),
    pytest.param("merger", {"base_channels": 2, "levels": 8}, marks=pytest.mark.slow),
]


def frames(height: int, width: int, count: int = 1) -> tuple[Tensor, Tensor]:
    return torch.rand(count, 3, height, width), torch.rand(count, 3, height, width)


def lively(net: nn.Module) -> nn.Module:
    """Weights far from zero, statistics of data that was seen: nothing is equal for a trivial reason."""
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p), alpha=0.1)
        for _ in range(3):
            net(*frames(64, 64, count=4))
    return net.eval()


@torch.no_grad()
@pytest.mark.parametrize(("kind", "settings"), VARIANTS)
def test_onnx_and_torch_agree_at_every_size(kind: str, settings: dict[str, Any]) -> None:
    net = remove_spectral_norm(lively(build(kind, settings)))
    session = onnxruntime.InferenceSession(to_onnx(net).SerializeToString(), providers=["CPUExecutionProvider"])
    sizes = sizes_for(int(net.multiple))  # type: ignore[arg-type]
    assert any(h // net.multiple % 2 and w // net.multiple % 2 for h, w in sizes)  # type: ignore[operator]
    for height, width in sizes:
        noisy, blurry = frames(height, width)
        stored = session.run(None, {"noisy": noisy.numpy(), "blurry": blurry.numpy()})[0]
        assert stored.shape == noisy.shape
        assert stored.std() > 0.02
        np.testing.assert_allclose(stored, net(noisy, blurry).numpy(), rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_checkpoint_becomes_a_file_of_its_averaged_weights(tmp_path: Path) -> None:
    recipe = recipe_from({"name": "tiny", "method": "paper", "net": {"kind": "merger", "settings": SMALL["merger"]}})
    recipe = replace(recipe, about="tiny")
    state = new_state(recipe)
    lively(state.average)
    save(state, recipe, tmp_path / "checkpoint.pt")
    card = export(tmp_path / "checkpoint.pt", tmp_path / "tiny.onnx")
    assert (card.file, card.multiple, card.training.steps) == ("tiny.onnx", 8, 0)
    assert card.training.before is None
    assert card.about == "DeblurMerger, tiny"
    assert card.source.startswith("Zhang, Zhen, Stevenson")
    session = onnxruntime.InferenceSession(tmp_path / "tiny.onnx", providers=["CPUExecutionProvider"])
    noisy, blurry = frames(33, 48)
    stored = session.run(None, {"noisy": noisy.numpy(), "blurry": blurry.numpy()})[0]
    np.testing.assert_allclose(stored, state.average(noisy, blurry).numpy(), rtol=0, atol=1 / 255)


def test_the_card_tells_what_a_network_began_with(tmp_path: Path) -> None:
    recipe = recipe_from({"name": "tiny", "net": {"kind": "twin", "settings": SMALL["twin"]}})
    state = new_state(recipe)
    state.before = {"recipe": as_table(recipe), "steps": 7, "hours": 0.5}
    save(state, recipe, tmp_path / "checkpoint.pt")
    resumed = load_into(new_state(recipe), recipe, tmp_path / "checkpoint.pt")
    save(resumed, recipe, tmp_path / "again.pt")
    assert export(tmp_path / "again.pt", tmp_path / "tiny.onnx").training.before == Training(as_table(recipe), 7, 0.5)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(TwinshotError, match=r"none\.pt"):
        export(tmp_path / "none.pt", tmp_path / "out.onnx")


def test_sizes_to_try_are_multiples() -> None:
    assert sizes_for(1) == [(96, 64), (48, 176), (53, 83)]
    assert all(side % 32 == 0 for size in sizes_for(32) for side in size)


def test_an_export_says_nothing_of_torchs_own_affairs(caplog: pytest.LogCaptureFixture) -> None:
    said = logging.getLogger("torch.onnx")
    said.addHandler(caplog.handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", category=DeprecationWarning, module="onnxscript")
            to_onnx(remove_spectral_norm(build("twin", SMALL["twin"])))
    finally:
        said.removeHandler(caplog.handler)
    assert [record.getMessage() for record in caplog.records if record.name.startswith("torch.onnx")] == []
