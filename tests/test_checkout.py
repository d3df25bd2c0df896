"""What the repository holds: nothing large but the graphs of models that a manifest lists."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LARGE = 10e6  # bytes
TRAINING_STATE = {".pt", ".pth", ".ckpt", ".safetensors", ".npz", ".npy", ".pkl"}


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in names.split("\0") if name and (path := ROOT / name).is_file()]


def listed() -> set[Path]:
    """The graphs of all manifests."""
    folders = [ROOT / "weights", ROOT / "src" / "twinshot" / "weights"]
    cards = [
        (folder, card) for folder in folders for card in json.loads((folder / "manifest.json").read_text()).values()
    ]
    files = [folder / card["file"] for folder, card in cards]
    return {*files, *(folder / card["int8"]["file"] for folder, card in cards if "int8" in card)}


def test_nothing_large_but_models_is_committed() -> None:
    assert {path for path in tracked() if path.stat().st_size > LARGE} <= listed()


def test_no_training_state_is_committed() -> None:
    assert [path for path in tracked() if path.suffix in TRAINING_STATE] == []


def test_every_model_in_the_checkout_is_listed() -> None:
    assert {path for path in tracked() if path.suffix == ".onnx"} == listed()
