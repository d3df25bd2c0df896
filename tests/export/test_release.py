"""Weights kept for torch, and the manifest of models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import skimage.data
import torch
from helpers import save

from twinshot.engines.torch import load_weights
from twinshot.export.release import add_to_manifest, record_quality, save_weights
from twinshot.export.to_onnx import averaged
from twinshot.picture.pair import TwinshotError
from twinshot.train.config import recipe_from
from twinshot.train.loop import save as save_checkpoint
from twinshot.train.step import new_state

WIDE = {"channels": [8, 96, 96, 96], "encoder": [1, 1, 1, 1], "decoder": [1, 1, 1]}  # enough for integers
NETS: dict[str, dict[str, Any]] = {
    "merger": {"base_channels": 4, "levels": 3},
    "twin": {"channels": [4, 6, 8], "encoder": [1, 1, 1], "decoder": [1, 1]},
}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return saved(NETS["twin"], "twin", tmp_path)


def saved(settings: dict[str, Any], kind: str, folder: Path) -> Path:
    """A checkpoint of an untrained network."""
    recipe = recipe_from({"name": "small", "net": {"kind": kind, "settings": settings}})
    save_checkpoint(new_state(recipe), recipe, folder / "checkpoint.pt")
    return folder / "checkpoint.pt"


@torch.no_grad()
@pytest.mark.parametrize("kind", NETS)
def test_kept_weights_compute_what_the_checkpoint_computes(kind: str, tmp_path: Path) -> None:
    checkpoint = saved(NETS[kind], kind, tmp_path)
    save_weights(checkpoint, tmp_path / "small.safetensors")
    net, _ = averaged(checkpoint)
    kept = load_weights(tmp_path / "small.safetensors")
    assert not kept.training
    frames = torch.rand(2, 1, 3, 64, 96)
    torch.testing.assert_close(kept(*frames), net(*frames), atol=2e-3, rtol=0)
    weights = sum(value.numel() for value in net.state_dict().values())
    assert (tmp_path / "small.safetensors").stat().st_size < 2.6 * weights + 8000


def test_a_fallback_that_is_not_there(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(TwinshotError, match="fallback 'absent': no such model"):
        add_to_manifest(checkpoint, "small", tmp_path, fallback="absent")
    assert not (tmp_path / "small.onnx").exists()


def test_nothing_of_the_machine_is_in_an_export(checkpoint: Path, tmp_path: Path) -> None:
    add_to_manifest(checkpoint, "small", tmp_path)
    data = (tmp_path / "small.onnx").read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in data
    assert b"stack_trace" not in data


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.safetensors").write_bytes(b"something else")
    for name in ("x", "missing"):
        with pytest.raises(TwinshotError, match=rf"{name}\.safetensors: holds no network of twinshot"):
            load_weights(tmp_path / f"{name}.safetensors")


def test_quality_is_entered_beside_what_the_export_says(checkpoint: Path, tmp_path: Path) -> None:
    weights = tmp_path / "new" / "weights"
    card = add_to_manifest(checkpoint, "small", weights, trained_on="night", fallback="twin-noisy")
    row = {"psnr": 30.123, "ssim_paper": 0.87654}
    versions = {"night": f"{card.sha256[:12]} of this code", "day": f"{'0' * 12} of this code"}
    sets = {name: {"systems": {"small": {**row, "version": version}}} for name, version in versions.items()}
    results = {"sets": {**sets, "dusk": {"systems": {"small": {"error": "a reason"}}}}}
    record_quality("small", results, weights)
    stored = json.loads((weights / "manifest.json").read_text())["small"]
    assert stored["quality"] == {"night": "30.12 dB / 0.8765"}
    assert (stored["sha256"], stored["trained_on"], stored["fallback"]) == (card.sha256, "night", "twin-noisy")


@pytest.mark.parametrize("calibrate", [False, True])
def test_the_command(tmp_path: Path, command: Any, calibrate: bool) -> None:
    checkpoint = saved(WIDE, "twin", tmp_path)
    said = ["--trained-on", "night", "--licence", "ours", "--fallback", "twin-noisy"]
    data = tmp_path / "data" / "photos" / "train"
    data.mkdir(parents=True)
    save(data / "coffee.png", skimage.data.coffee())
    said += ["--calibrate", "--data", data.parents[1]] if calibrate else ["--safetensors"]
    result = command("export", checkpoint, "--name", "mine", "--weights", tmp_path / "models", *said)
    assert (result.code, result.err) == (0, "")
    card = json.loads((tmp_path / "models" / "manifest.json").read_text())["mine"]
    assert json.loads(result.out) == {key: value for key, value in card.items() if key != "training"}
    assert (card["trained_on"], card["licence"], card["fallback"]) == ("night", "ours", "twin-noisy")
    assert ("int8" in card, "safetensors" in card) == (calibrate, not calibrate)
    assert (tmp_path / "models" / "mine.int8.onnx").exists() == calibrate


@pytest.mark.parametrize("name", ["../evil", "sub/x", "", "twin", "mine.int8"])
def test_names_that_cannot_be_used(checkpoint: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(TwinshotError, match="name '"):
        add_to_manifest(checkpoint, name, tmp_path / "models")
    assert not (tmp_path / "models").exists()


def test_foreign_files_are_left_alone(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.safetensors").write_bytes(b"mine")
    with pytest.raises(TwinshotError, match=r"mine\.safetensors: exists, but the manifest"):
        add_to_manifest(checkpoint, "mine", tmp_path)
    assert (tmp_path / "mine.safetensors").read_bytes() == b"mine"
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(TwinshotError, match=r"manifest\.json: is not a list"):
        add_to_manifest(checkpoint, "new", tmp_path)


@pytest.mark.parametrize("kind", ["empty", "junk", "cut short", "another table", "a list", "other weights"])
def test_what_is_no_checkpoint(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    table = torch.load(checkpoint, weights_only=True)
    data = checkpoint.read_bytes()
    files = {"empty": b"", "junk": b"something else", "cut short": data[: len(data) // 2]}
    tables = {"another table": {"a": 1}, "a list": [1], "other weights": {**table, "average": {}}}
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
    with pytest.raises(TwinshotError, match="half precision moves the output by nan"):
        add_to_manifest(checkpoint, "new", tmp_path / "models")
