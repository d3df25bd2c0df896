"""What tests call: the command as a process of its own, and small things on pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinshot.engines.models import WEIGHTS, Card, as_table, read_manifest

SRC = Path(__file__).resolve().parents[1] / "src"
MAIN = "from twinshot.cli.main import main; main()"
OBEYING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""Ctrl-C ends a process that begins so, also where the tests run in the background, which has it ignored."""


@dataclass(frozen=True)
class Outcome:
    """What a call of the command came to."""

    code: int
    out: str
    err: str


def save(path: Path, pixels: NDArray[Any], **options: Any) -> Path:
    """Write 8-bit pixels with Pillow, by the suffix."""
    Image.fromarray(pixels).save(path, **options)
    return path


def save_pairs(place: Path, frames: Sequence[NDArray[Any]], photo: NDArray[Any], *names: str) -> None:
    """Make a folder of two pairs of two scenes; a short frame's name and its long one's, twice."""
    place.mkdir()
    other = np.ascontiguousarray(photo[100:260, 100:324])
    for name, pixels in zip(names, (*frames, (other * 0.15).astype(np.uint8), other), strict=True):
        save(place / f"{name}.png", pixels)


def copied_to(folder: Path, *names: str) -> Card:
    """The network that ships, with a manifest that lists it under other names; returns its entry."""
    card = read_manifest(WEIGHTS)["twin"]
    (folder / card.file).write_bytes((WEIGHTS / card.file).read_bytes())
    (folder / "manifest.json").write_text(json.dumps({name: as_table(card) for name in names}))
    return card


def start(
    script: str, *arguments: object, env_more: dict[str, str] | None = None, **options: Any
) -> subprocess.Popen[str]:
    """A Python process of its own that runs `script`, with `arguments` in sys.argv, as in the foreground."""
    environment = {**os.environ, "PYTHONPATH": str(SRC), "PYTHONUNBUFFERED": "1", **(env_more or {})}
    return subprocess.Popen(
        [sys.executable, "-c", OBEYING + script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **options,
    )


def outcome(process: subprocess.Popen[str]) -> Outcome:
    """Wait for the end of a process."""
    out, err = process.communicate(timeout=120)
    return Outcome(process.returncode, out, err)
