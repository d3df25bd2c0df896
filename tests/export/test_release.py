"""Weights in the graphs, and the manifest of models."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import skimage.data
import torch
from helpers import save
from msgspec.structs import replace
from torch.nn import BatchNorm2d

from twinshot.engines.models import manifest
from twinshot.engines.torch import network_of
from twinshot.export.release import add_to_manifest, record_quality
from twinshot.export.to_onnx import averaged
from twinshot.picture.pair import TwinshotError
from twinshot.train import data as training_data
from twinshot.train.config import recipe_from
from twinshot.train.loop import save as save_checkpoint
from twinshot.train.step import new_state

WIDE = {"channels": [8, 96], "encoder": [1, 1], "decoder": [1]}  # enough for integers
NETS: dict[str, dict[str, Any]] = {
    "merger": {"base_channels": 4, "levels": 3},
    "twin": {"channels": [4, 6, 8], "encoder": [1, 1, 1], "decoder": [1, 1]},
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return saved(NETS["twin"], "twin", tmp_path)


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the model `small`, which nobody changes: an export takes seconds."""
    folder = tmp_path_factory.mktemp("released")
    checkpoint = saved(NETS["twin"], "twin", folder)
    add_to_manifest(checkpoint, "small", folder / "new" / "weights", trained_on="night", fallback="twin-noisy")
    return folder / "new" / "weights"


def saved(settings: dict[str, Any], kind: str, folder: Path) -> Path:
    """A checkpoint of an untrained network."""
    recipe = recipe_from({"name": "small", "net": {"kind": kind, "settings": settings}})
    save_checkpoint(new_state(recipe), recipe, folder / "checkpoint.pt")
    return folder / "checkpoint.pt"


@torch.no_grad()
@pytest.mark.parametrize("kind", NETS)
def test_torch_reads_its_weights_from_the_graph(kind: str, tmp_path: Path) -> None:
    """Also where batch norm, with statistics of its own, was folded into a convolution."""
    checkpoint = saved(NETS[kind], kind, tmp_path)
    table = torch.load(checkpoint, weights_only=True)
    for value in table["average"].values():
        if value.is_floating_point() and value.ndim == 1:
            value.uniform_(0.5, 1.5)  # an exporter leaves away what is zero, as biases are before training
    torch.save(table, checkpoint)
    card = add_to_manifest(checkpoint, "small", tmp_path)
    net, read = averaged(checkpoint)[0], network_of(tmp_path / "small.onnx", card)
    assert not read.training
    frames = torch.rand(2, 1, 3, 64, 96)
    torch.testing.assert_close(read(*frames), net(*frames), atol=2e-3, rtol=0)
    folded = [name for name, norm in read.named_modules() if isinstance(norm, BatchNorm2d) and norm.weight[0] == 1]
    assert bool(folded) == (kind == "merger")


def test_a_graph_of_another_network_is_refused() -> None:
    card = manifest()["twin"]
    other = {**card.training.recipe, "net": {"kind": "merger", "settings": NETS["merger"]}}
    with pytest.raises(TwinshotError, match=r"twin\.onnx: lacks .* of the network 'merger'; export the model again"):
        network_of(card.path, replace(card, training=replace(card.training, recipe=other)))


def test_a_fallback_that_is_not_there(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(TwinshotError, match="fallback 'absent': no such model"):
        add_to_manifest(checkpoint, "small", tmp_path, fallback="absent")
    assert not (tmp_path / "small.onnx").exists()


def test_nothing_of_the_machine_is_in_an_export(released: Path) -> None:
    data = (released / "small.onnx").read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in data
    assert b"stack_trace" not in data


def test_quality_is_entered_beside_what_the_export_says(released: Path, tmp_path: Path) -> None:
    weights = shutil.copytree(released, tmp_path / "weights")
    record_quality("small", {"night": "30.12 dB / 0.8765"}, weights)
    record_quality("small", {"day": "31.00 dB / 0.9000"}, weights)
    stored = json.loads((weights / "manifest.json").read_text())["small"]
    assert stored["quality"] == {"night": "30.12 dB / 0.8765", "day": "31.00 dB / 0.9000"}
    assert (stored["trained_on"], stored["fallback"]) == ("night", "twin-noisy")


@pytest.mark.parametrize("calibrate", [False, True])
def test_the_command(tmp_path: Path, command: Any, monkeypatch: pytest.MonkeyPatch, calibrate: bool) -> None:
    monkeypatch.setattr(training_data, "calibration", partial(training_data.calibration, count=2, side=64))
    checkpoint = saved(WIDE if calibrate else NETS["twin"], "twin", tmp_path)
    said = ["--trained-on", "night", "--licence", "ours", "--fallback", "twin-noisy"]
    data = tmp_path / "data" / "photos" / "train"
    data.mkdir(parents=True)
    save(data / "coffee.png", skimage.data.coffee())
    said += ["--calibrate", "--data", data.parents[1]] if calibrate else []
    result = command("export", checkpoint, "--name", "mine", "--weights", tmp_path / "models", *said)
    assert (result.code, result.err) == (0, "")
    card = json.loads((tmp_path / "models" / "manifest.json").read_text())["mine"]
    assert json.loads(result.out) == {key: value for key, value in card.items() if key != "training"}
    assert (card["trained_on"], card["licence"], card["fallback"]) == ("night", "ours", "twin-noisy")
    assert ("int8" in card) == calibrate
    assert (tmp_path / "models" / "mine.int8.onnx").exists() == calibrate


@pytest.mark.parametrize("name", ["../evil", "sub/x", "", "twin", "mine.int8"])
def test_names_that_cannot_be_used(checkpoint: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(TwinshotError, match="name '"):
        add_to_manifest(checkpoint, name, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_foreign_files_are_left_alone(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.onnx").write_bytes(b"mine")
    with pytest.raises(TwinshotError, match=r"mine\.onnx: exists, but the manifest"):
        add_to_manifest(checkpoint, "mine", tmp_path)
    assert (tmp_path / "mine.onnx").read_bytes() == b"mine"
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(TwinshotError, match=r"manifest\.json: is not a valid list"):
        add_to_manifest(checkpoint, "new", tmp_path)


@pytest.mark.parametrize(
    "kind", ["empty", "junk", "cut short", "another table", "a list", "other weights", "no recipe"]
)
def test_what_is_no_checkpoint(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    table = torch.load(checkpoint, weights_only=True)
    data = checkpoint.read_bytes()
    files = {"empty": b"", "junk": b"something else", "cut short": data[: len(data) // 2]}
    tables = {"another table": {"a": 1}, "a list": [1], "other weights": {**table, "average": {}}}
    tables["no recipe"] = {**table, "recipe": {"name": "mine"}}
    checkpoint.write_bytes(files[kind]) if kind in files else torch.save(tables[kind], checkpoint)
    with pytest.raises(TwinshotError, match=r"checkpoint\.pt: "):
        add_to_manifest(checkpoint, "new", tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_a_network_that_has_run_away_is_not_exported(checkpoint: Path, tmp_path: Path) -> None:
    table = torch.load(checkpoint, weights_only=True)
    for value in table["average"].values():
        if value.is_floating_point():
            value.fill_(torch.nan)
    torch.save(table, checkpoint)
    with pytest.raises(TwinshotError, match="half precision changes the output by nan"):
        add_to_manifest(checkpoint, "new", tmp_path / "models")
