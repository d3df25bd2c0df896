"""Sets by name, made where they are asked for: each becomes a folder of triples."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..files import atomic, io
from ..picture.pair import Metadata, TwinshotError
from ..synth.brackets import BracketPlan, write_brackets
from ..synth.frames import PublishedWindow, Window
from ..synth.triples import KINDS, Plan, windows_in, write_windows
from .gopro import Blur, Split, gopro_large
from .koehler import cases

BURST = 11  # short frames in the time of a pair of the paper: 1 + 1 dropped + 9 averaged
QUICK = 4  # cases a set where only a quick look is wanted
_QUICK_SIDE = 160
EXAMPLES = ("example", "example-paper")
"""The sets that need no data root."""
_PICTURES = ("astronaut", "chelsea", "coffee", "rocket")


Make = Callable[[Path, Path, int, bool], None]
"""(source, folder, seed, quick): makes what is missing of a set's folder; with quick, `QUICK` small cases of it."""


@dataclass(frozen=True)
class NamedSet:
    """A set and where it comes from.

    Attributes:
        what: in a few words.
        source: what it is made of under the data root; None: pictures of scikit-image.
        make: makes it.
    """

    what: str
    source: str | None
    make: Make


def _of_windows(
    windows: Callable[[Path, int | None], Sequence[Window]],
    plan: Plan,
    truths: Callable[[Path], list[tuple[Path, ...]]] | None = None,
) -> Make:
    """Triples of windows.

    Args:
        windows: those in the source, given the plan's side.
        plan: how they become triples; its seed is the benchmark's.
        truths: for each window, the pictures a result may fit any of; None: it has one.
    """

    def make(source: Path, output: Path, seed: int, quick: bool) -> None:
        asked = replace(plan, seed=seed)
        if quick:
            asked = replace(asked, count=QUICK, side=plan.side and _QUICK_SIDE)
        write_windows(windows(source, asked.side), output, asked)
        if truths:
            found = [[str(path.resolve()) for path in paths] for paths in truths(source)]
            table = {f"{index:06d}.png": paths for index, paths in enumerate(found)}
            atomic.write_bytes(output / "truths.json", json.dumps(table).encode())

    return make


def _of_brackets(source: Path, output: Path, seed: int, quick: bool) -> None:
    """Triples of real pairs, two blurs each."""
    plan = BracketPlan(seed)
    write_brackets(source, output, replace(plan, blurs=1, count=QUICK, side=_QUICK_SIDE) if quick else plan)


def _gopro(root: Path, side: int | None) -> list[Window]:
    return [PublishedWindow(pair.blur, pair.sharp, pair.name) for pair in gopro_large(root)]


def _gopro_gamma(root: Path, side: int | None) -> list[Window]:
    return [PublishedWindow(pair.blur, pair.sharp, pair.name) for pair in gopro_large(root, blur="blur_gamma")]


def _gopro_layout(root: Path, side: int | None) -> list[Window]:
    """What is there of GOPRO_Large's layout: its test pictures before those for training, `blur` before the other."""
    split: Split = "train" if (root / "train").is_dir() and not (root / "test").is_dir() else "test"
    blur: Blur = "blur" if any(root.glob(f"{split}/*/blur")) else "blur_gamma"
    return [PublishedWindow(pair.blur, pair.sharp, pair.name) for pair in gopro_large(root, split, blur)]


def _koehler(root: Path, side: int | None) -> list[Window]:
    """The sharp frame that noise is put on is the trajectory's middle one; what counts are all of them."""
    return [
        PublishedWindow(case.blurry, case.truth_files[len(case.truth_files) // 2], case.name) for case in cases(root)
    ]


def _trajectories(root: Path) -> list[tuple[Path, ...]]:
    return [case.truth_files for case in cases(root)]


SETS = {
    "example": NamedSet(
        "pictures of scikit-image, profile camera", None, _of_windows(windows_in, Plan("camera", 4, 0, 256, BURST))
    ),
    "example-paper": NamedSet(
        "pictures of scikit-image, profile paper", None, _of_windows(windows_in, Plan("paper", 4, 0, 256, BURST))
    ),
    "camera": NamedSet(
        "validation photographs, profile camera",
        "photos/val",
        _of_windows(windows_in, Plan("camera", 100, 0, 256, BURST)),
    ),
    "phone": NamedSet(
        "validation photographs, profile phone", "photos/val", _of_windows(windows_in, Plan("phone", 40, 0, 256, BURST))
    ),
    "paper": NamedSet(
        "validation photographs, profile paper", "photos/val", _of_windows(windows_in, Plan("paper", 40, 0, 256, BURST))
    ),
    "blur": NamedSet(
        "validation photographs, blur without noise", "photos/val", _of_windows(windows_in, Plan("gopro", 40, 0, 256))
    ),
    "real": NamedSet(
        "windows of high-speed frames, profile paper", "frames/val", _of_windows(windows_in, Plan("paper", burst=BURST))
    ),
    "lowlight": NamedSet("real dark and bright files of a scene, blur simulated", "lowlight", _of_brackets),
    "brackets": NamedSet(
        "real short and long files of a scene by several cameras, blur simulated", "brackets", _of_brackets
    ),
    "gopro": NamedSet("GOPRO_Large, blur", "GOPRO_Large", _of_windows(_gopro, Plan("gopro"))),
    "gopro-gamma": NamedSet("GOPRO_Large, blur_gamma", "GOPRO_Large", _of_windows(_gopro_gamma, Plan("gopro"))),
    "gopro2": NamedSet(
        "GOPRO2 of GOPRO_Large_all", "GOPRO_Large_all/test", _of_windows(windows_in, Plan("paper", burst=BURST))
    ),
    "koehler": NamedSet("Koehler et al.", "Koehler", _of_windows(_koehler, Plan("gopro"), _trajectories)),
}


def label_of(name: str) -> str:
    """What a set is called in results: its name, or its folder's."""
    return name if name in SETS else Path(name).resolve().name


def prepare(name: str, data: Path | None, folder: Path, seed: int, quick: bool) -> Path:
    """The folder of triples of a set; what is missing of it is made.

    Args:
        name: one of `SETS`, a folder of triples, or one in the layout of GOPRO_Large.
        data: where the named sets' sources are.
        folder: gets the sets that have to be made, a folder each.
        seed: of noise and motion that are simulated.
        quick: four triples at most, views of photographs small; a folder of triples is taken as it is.

    Raises:
        TwinshotError: no such set, or its source is missing.
    """
    given, output = Path(name), folder / (f"{label_of(name)}-quick" if quick else label_of(name))
    if name in SETS:
        SETS[name].make(_source(name, data, folder), output, seed, quick)
        return output
    if any((given / kind).is_dir() for kind in KINDS):
        return given
    if given.is_dir():
        _of_windows(_gopro_layout, Plan("gopro"))(given, output, seed, quick)
        return output
    raise TwinshotError(
        f"{name}: no such set; give a folder of triples or of GOPRO_Large, or choose from {', '.join(SETS)}"
    )


def available(data: Path | None) -> list[str]:
    """The named sets whose source is there; those of `EXAMPLES` always are."""
    return [name for name, found in SETS.items() if found.source is None or (data and (data / found.source).is_dir())]


def _source(name: str, data: Path | None, folder: Path) -> Path:
    source = SETS[name].source
    if source is None:
        return examples(folder / "photographs")
    if data is None:
        raise TwinshotError(
            f"set {name!r} is made from {source} in a data folder; give --data DIR or set TWINSHOT_DATA"
        )
    if not (data / source).is_dir():
        raise TwinshotError(f"{data / source}: no such folder; the set {name!r} is made from it")
    return data / source


def examples(folder: Path) -> Path:
    """Photographs that come with scikit-image (public domain or CC0), as files."""
    try:
        from skimage import data
    except ImportError as error:
        raise TwinshotError("the example sets need scikit-image: pip install 'twinshot[bench]'") from error
    folder.mkdir(parents=True, exist_ok=True)
    for name in _PICTURES:
        if not (folder / f"{name}.png").exists():
            io.write(folder / f"{name}.png", getattr(data, name)(), Metadata())
    return folder
