"""Seconds and peak memory of a system on one 1280x720 picture, each system in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import cv2
import msgspec
import numpy as np
from msgspec.structs import replace

from ..engines.loading import load_model
from ..engines.models import manifest
from ..files import io
from ..machine import usable_cores
from ..picture.levels import eight_bit
from ..picture.pair import Metadata
from ..synth.frames import images_in, read_photo
from ..synth.triples import Plan, write_triples
from . import peak
from .datasets import triples_in
from .results import SpeedRow
from .sets import BURST
from .systems import system

SIZE = (1280, 720)
_RUNS = 3
_PATIENCE = 10.0  # seconds: what takes longer is run once, and without a first run to warm up
_MARGIN = 48  # px that `write_triples` takes off each side


def measure(name: str, folder: Path, engine: str = "onnx") -> SpeedRow:
    """A system's seconds (median) and peak memory in MB, libraries and frames included; or why there are none.

    Of a network, also its own seconds and the share of the machine's convolution speed it reaches.

    Args:
        name: the system.
        folder: a set whose first triple is the picture, as `picture` makes it.
        engine: what runs it, if it is a network.
    """
    call = [sys.executable, "-m", __name__, name, str(folder), engine]
    done = subprocess.run(call, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    if done.returncode or not lines or not lines[-1].startswith("{"):
        return SpeedRow((done.stderr.strip().splitlines() or ["ended without a word"])[-1])
    return msgspec.json.decode(lines[-1], type=SpeedRow)


def picture(photographs: Path, folder: Path, seed: int) -> Path:
    """A set of one triple of 1280x720 with a burst, from photographs laid side by side and mirrored."""
    source = folder / "source"
    source.mkdir(parents=True, exist_ok=True)
    io.write(source / "quilt.png", eight_bit(_quilt(images_in(photographs))), Metadata())
    write_triples(source, folder, Plan("camera", 1, seed, None, BURST))
    return folder


def main() -> None:
    """What the process of one system does: its name, the set's folder and the engine are in sys.argv."""
    name, folder, engine = sys.argv[1:]
    cv2.setNumThreads(usable_cores())
    chosen = system(name, engine)
    shot = triples_in(Path(folder))[0].shot(burst=chosen.takes == "burst")
    _forget_peak()
    seconds: list[float] = []
    while len(seconds) <= _RUNS and not (seconds and seconds[0] > _PATIENCE):
        began = time.perf_counter()
        chosen.restore(shot)
        seconds.append(time.perf_counter() - began)
    counted = seconds[1:] or seconds
    row = SpeedRow(seconds=round(median(counted), 3), runs=len(counted), memory_mb=_peak())
    card = manifest().get(name)
    row = _with_share(row, name, engine) if card and card.flops_per_pixel else row
    print(msgspec.json.encode(row).decode())


def _with_share(row: SpeedRow, name: str, engine: str) -> SpeedRow:
    """And the network alone: its seconds, and its speed as a share of plain convolutions' that the engine does here."""
    operations, seconds = peak.network_gflops(load_model(name, engine), SIZE[1], SIZE[0])
    best = peak.gflops(engine)
    row = replace(row, network_seconds=round(seconds, 4), gflops=round(operations / seconds, 1))
    return replace(row, peak_gflops=round(best, 1), share=round(operations / seconds / best, 3)) if best else row


def _forget_peak() -> None:
    """Let the peak count from here, where the system allows it: reading and registering frames is not the system's."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak() -> int | None:
    """The process's largest resident memory, MB; None where the system has no way to ask."""
    status = Path("/proc/self/status")
    lines = status.read_text("utf-8").splitlines() if status.is_file() else []
    if peaks := [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]:
        return round(peaks[0] / 1024)
    if find_spec("resource") is None:  # Windows
        return None
    import resource

    unit = 1024**2 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def _quilt(photos: Sequence[Path]) -> np.typing.NDArray[np.float32]:
    width, height = SIZE[0] + 2 * _MARGIN, SIZE[1] + 2 * _MARGIN
    side = min(min(read_photo(path).shape[:2]) for path in photos)
    tiles = [read_photo(path)[:side, :side] for path in photos]
    row = np.concatenate([*tiles, *(tile[:, ::-1] for tile in tiles)], 1)
    rows = [np.roll(row, side * turn, 1) for turn in range(-(-height // side))]
    quilt = np.concatenate(rows, 0)
    return np.tile(quilt, (1, -(-width // quilt.shape[1]), 1))[:height, :width]


if __name__ == "__main__":
    main()
