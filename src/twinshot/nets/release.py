"""A trained network becomes a model that ships: ONNX file, manifest entry, measured quality."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..io import write_bytes
from .export import export

TRAINED_ON = "409 photographs moved by a simulated camera; 88 frames of GOPRO_Large_all"
LICENCE = "Apache-2.0 (weights); training data CC0, CC BY, CC BY-SA, Unsplash: see MODEL_CARD.md"


def add_to_manifest(checkpoint: Path, name: str, weights: Path) -> dict[str, Any]:
    """Export a checkpoint to `weights`/NAME.onnx and enter it in the manifest beside it; returns the entry."""
    card = export(checkpoint, weights / f"{name}.onnx")
    card |= {"trained_on": TRAINED_ON, "licence": LICENCE, "quality": {}}
    _update(weights, name, card)
    return card


def record_quality(name: str, results: Sequence[dict[str, Any]], weights: Path) -> None:
    """Enter the model's PSNR and SSIM from benchmark results, a set each."""
    card = json.loads((weights / "manifest.json").read_text("utf-8"))[name]
    for result in results:
        row = result["systems"][name]
        card["quality"][result["set"]] = f"{row['psnr']:.2f} dB / {row['ssim']:.4f}"
    _update(weights, name, card)


def _update(weights: Path, name: str, card: dict[str, Any]) -> None:
    path = weights / "manifest.json"
    entries = json.loads(path.read_text("utf-8")) if path.exists() else {}
    write_bytes(path, json.dumps({**entries, name: card}, indent=1).encode() + b"\n")
