"""What results.json holds, read and checked: sets with the rows of systems, models, speed, known motion, robustness.

Tables are written in the order of their fields, and what has no value is left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from ..files import atomic
from ..picture.pair import TwinshotError


class _Table(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of results.json."""


class Case(_Table, frozen=True, kw_only=True):
    """A system's picture of one case.

    Attributes:
        name: the triple's.
        psnr, detail: dB.
        ssim_paper, ssim_matlab, ssim_skimage: by each convention; Koehler's set has `ssim_matlab` alone.
        colour: CIEDE2000.
        checkerboard: dB.
        seconds: of the system.
    """

    name: str
    psnr: float
    ssim_paper: float | None = None
    ssim_matlab: float | None = None
    ssim_skimage: float | None = None
    detail: float | None = None
    colour: float | None = None
    checkerboard: float | None = None
    seconds: float


MEASURES = Case.__struct_fields__[1:-1]
"""What is measured of a picture."""


class Row(_Table, frozen=True):
    """A system on a set: means over its cases, or why it has none.

    Attributes:
        error: why it failed; then there is nothing else.
        takes: which frames.
        version: the key under which the figures are true.
        machine: what they were measured on.
        psnr_p5: 5th percentile, dB.
        seconds: median.
        harm_psnr, worst_psnr, harm_ssim, worst_ssim: as `analysis.harm` has them.
    """

    error: str = ""
    takes: str = ""
    version: str = ""
    machine: str = ""
    psnr: float | None = None
    ssim_paper: float | None = None
    ssim_matlab: float | None = None
    ssim_skimage: float | None = None
    detail: float | None = None
    colour: float | None = None
    checkerboard: float | None = None
    psnr_p5: float | None = None
    seconds: float | None = None
    cases: tuple[Case, ...] = ()
    harm_psnr: float | None = None
    worst_psnr: float | None = None
    harm_ssim: float | None = None
    worst_ssim: float | None = None


def ssim_of(found: Case | Row) -> float | None:
    """SSIM by the convention `paper` or, where a set has but that, `matlab`."""
    return found.ssim_matlab if found.ssim_paper is None else found.ssim_paper


class Facts(_Table, frozen=True, omit_defaults=False):
    """What a case is like.

    Attributes:
        sigma: the noisy frame's error, in [0, 1].
        best_psnr, best_ssim: of the better of the inputs.
        blur: px, where it is known.
        source: the photograph, or the film's scene, that it was made of, where it is known.
        registered: PSNR of the blurry frame at the noisy one's pixels.
        same_scene, doubt, lost, shown: what matching decided, as `Decided` has it.
    """

    sigma: float
    best_psnr: float
    best_ssim: float
    blur: float | None = None
    source: str | None = None
    registered: float | None = None
    same_scene: bool = True
    doubt: float = 0.0
    lost: bool = False
    shown: float = 1.0


class SetResults(_Table, frozen=True, kw_only=True, omit_defaults=False):
    """A set.

    Attributes:
        sha256: of what systems are shown, and of the measures.
        files: of the files and what shows them; as long as this is the same, so is `sha256`.
        pictures: how many cases.
        cases, systems: by name.
        left_out: what could not become a case, and why.
    """

    sha256: str
    files: str = ""
    pictures: int
    cases: dict[str, Facts] = {}
    systems: dict[str, Row] = {}
    left_out: dict[str, str] = {}


class ModelFacts(_Table, frozen=True, kw_only=True):
    """How a network was trained, all its trainings together.

    Attributes:
        about, source: in words.
        parameters: how many.
        steps, samples: updates, and the crops seen in them.
        gpu_hours, hours: of a GPU and of a processor.
        crop: px.
        width: channels of the finest level, where the recipe says.
        loss: in words.
        recipe: the recipes' names.
        sha256: of the ONNX file.
    """

    about: str = ""
    source: str = ""
    parameters: int
    steps: int
    gpu_hours: float | None = None
    hours: float | None = None
    samples: int
    crop: int
    width: int | None
    loss: str
    recipe: str
    sha256: str


class SpeedRow(_Table, frozen=True):
    """Seconds and memory of a system in an engine, or why there are none.

    Attributes:
        error: why it failed; then there is nothing else.
        seconds: median of the runs.
        runs: how many counted.
        memory_mb: the peak.
        network_seconds, gflops: of the network alone.
        peak_gflops, share: of plain convolutions, and the network's share of it in [0, 1].
        version: the key under which the figures are true.
        machine: what they were measured on.
    """

    error: str = ""
    seconds: float | None = None
    runs: int | None = None
    memory_mb: int | None = None
    network_seconds: float | None = None
    gflops: float | None = None
    peak_gflops: float | None = None
    share: float | None = None
    version: str = ""
    machine: str = ""


class Speed(_Table, frozen=True):
    """One picture in every system and engine; `size` is its width and height."""

    size: tuple[int, int]
    systems: dict[str, SpeedRow]


class Origin(_Table, frozen=True):
    """What simulated pairs depend on, and with them figures that belong to no set.

    Attributes:
        seed: of motion and noise.
        photographs: checksum of their names and sizes.
        code: checksum of what makes the pairs.
        reference, versions: of the known-motion reference, its own checksum and the keys of its systems.
    """

    seed: int
    photographs: str
    code: str
    reference: str = ""
    versions: tuple[str, ...] = ()


class KnownMotionMeans(_Table, frozen=True):
    """Mean PSNR in dB."""

    alone: float
    pair: float
    reference: float


class KnownMotionSample(_Table, frozen=True):
    """One sample: PSNR in dB, and the camera's blur in px."""

    name: str
    blur: float
    alone: float
    pair: float
    reference: float


class KnownMotion(_Table, frozen=True):
    """The known-motion reference beside the systems `pair` and `alone`."""

    pair: str
    alone: str
    means: KnownMotionMeans
    cases: tuple[KnownMotionSample, ...]
    made: Origin


class Curves(_Table, frozen=True):
    """Mean PSNR in dB along one difficulty.

    Attributes:
        label, unit: for people.
        values: of the difficulty.
        pictures: how many each.
        systems: a figure a value; None for one that cannot be tried.
        versions: the keys under which they are true.
        made: what the pairs depend on.
    """

    label: str
    unit: str
    values: list[int | float]
    pictures: int
    systems: dict[str, Sequence[float | None] | None]
    versions: dict[str, str]
    made: Origin


class Results(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """All of results.json.

    Attributes:
        sets: by name.
        twinshot: the version that wrote it last.
        seed: of the sets.
        machine: what rows that do not say so were measured on.
        models: what is known of networks, by name.
        speed, reference, robustness: the other parts, where they were run; the last by `robustness.Axis.key`.
    """

    sets: dict[str, SetResults]
    twinshot: str = ""
    seed: int | None = None
    machine: str = ""
    models: dict[str, ModelFacts] = {}
    speed: Speed | None = None
    reference: KnownMotion | None = None
    robustness: dict[str, Curves] = {}


def open_results(out: Path) -> Results:
    """What is in `out`/results.json; empty where there is none. Raises TwinshotError for a file of another kind."""
    path = out / "results.json"
    if not path.exists():
        if foreign := [out / name for name in ("report.html", "summary.md") if (out / name).exists()]:
            raise TwinshotError(f"{foreign[0]}: exists, but there is no results.json beside it; name another folder")
        return Results(sets={})
    try:
        return msgspec.json.decode(path.read_bytes(), type=Results)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TwinshotError(
            f"{path}: does not hold results of a benchmark ({error}); remove it, or name another folder"
        ) from error


def keep_results(results: Results, out: Path) -> None:
    """Write results.json, whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(out / "results.json", json.dumps(msgspec.to_builtins(results), indent=1).encode())


def quality_of(results: Results, name: str, sha256: str) -> dict[str, str]:
    """A model's PSNR and SSIM on each set, as a manifest has them; rows of other weights are passed over."""
    rows = {label: found.systems.get(name, Row()) for label, found in results.sets.items()}
    return {
        label: f"{row.psnr:.2f} dB / {row.ssim_paper:.4f}"
        for label, row in rows.items()
        if row.ssim_paper is not None and row.version.startswith(sha256[:12])
    }
