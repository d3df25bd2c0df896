"""The whole benchmark: sets, systems, speed, robustness and the report, in one folder that a killed run goes on in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from msgspec import structs

from ..engines.loading import ENGINES
from ..engines.models import Card, Training, manifest
from ..engines.onnx import has_cuda
from ..files import atomic
from ..picture.pair import TwinshotError
from ..synth.frames import images_in
from . import peak, robustness, speed
from .fairness import loss_of, width_of
from .report import write_report
from .results import Curves, ModelFacts, Origin, Results, Speed, SpeedRow, keep_results, open_results
from .rows import RowKey, code_checksum, own_checksum
from .run import Bench, machine, reason, run
from .sets import EXAMPLES, QUICK, SETS, available, examples, label_of, prepare
from .summary import markdown
from .systems import key_of, known_systems, system

Say = Callable[[str], None]
Part = Literal["quality", "reference", "speed", "robustness"]

PARTS: tuple[Part, ...] = ("quality", "reference", "speed", "robustness")
QUICK_PARTS: tuple[Part, ...] = ("quality", "speed")
_PACKAGES = ("jinja2", "matplotlib", "scipy", "skimage")
_CURVE_PICTURES = 6
_KNOWN_PICTURES = 16
KNOWN_PAIR = ("twin", "twin-noisy")
_SLOW = ("bm3d", "yuan")  # a curve of theirs would take longer than all others together


@dataclass(frozen=True)
class Options:
    """What the command was asked for.

    Attributes:
        sets: names or folders; none: the named sets whose source is there, or with `quick` the example sets.
        systems: none: all.
        data: the data root of named sets.
        out: gets results.json, report.html, summary.md, pictures/ and the sets that had to be made, in sets/.
        seed: of noise and motion.
        quick: four pictures a set, small where they are made of photographs, and speed of the networks in one engine.
        parts: what to run; none: all, or with `quick` quality and speed.
    """

    sets: tuple[str, ...]
    systems: tuple[str, ...]
    data: Path | None
    out: Path
    seed: int
    quick: bool
    parts: tuple[Part, ...] = ()


def benchmark(options: Options, say: Say) -> Results:
    """Run it all; returns what is in results.json.

    Raises:
        TwinshotError: a set that is not there or incomplete, two of one name, an unknown system or part, a missing
            package, or `out` holds something else or is another process's.
    """
    systems = options.systems or tuple(known_systems())
    parts = options.parts or (QUICK_PARTS if options.quick else PARTS)
    _check(options, systems, parts)
    with atomic.locked(options.out):
        return _run(options, systems, parts, say)


def _run(options: Options, systems: tuple[str, ...], parts: Sequence[Part], say: Say) -> Results:
    folders = _folders(options) if "quality" in parts else {}
    limit = QUICK if options.quick else None
    results = run(Bench(folders, systems, options.seed, options.out, limit), say)
    results.models = {name: facts_of(card) for name, card in manifest().items()}
    work = {"reference": _know_motion, "speed": _measure_speed, "robustness": _draw_curves}
    for part in [part for part in parts if part in work]:
        work[part](results, options, systems, say)
    keep_results(results, options.out)
    atomic.write_bytes(options.out / "summary.md", markdown(results).encode())
    write_report(options.out)
    return results


def _check(options: Options, systems: Sequence[str], parts: Sequence[str]) -> None:
    """What would end a long run late is refused before it begins."""
    for wanted, known, what in ((systems, known_systems(), "system"), (parts, PARTS, "part")):
        if unknown := sorted(set(wanted) - set(known)):
            raise TwinshotError(f"no {what} is called {unknown[0]!r}; choose from {', '.join(known)}")
    if missing := [package for package in _PACKAGES if find_spec(package) is None]:
        raise TwinshotError(f"the benchmark needs {missing[0]}; run pip install 'twinshot[bench]'")
    if options.data and not options.data.is_dir():
        raise TwinshotError(f"{options.data}: no such folder; give the data folder, or leave it out")
    if options.quick and options.parts and (late := sorted(set(options.parts) - set(QUICK_PARTS))):
        raise TwinshotError(f"{late[0]} takes long, so it is not part of the quick run; run it without quick")
    open_results(options.out)


def _folders(options: Options) -> dict[str, Path]:
    """The sets' folders, by what they are called in the results."""
    own = [] if options.quick else [name for name in available(options.data) if name not in EXAMPLES]
    folders: dict[str, Path] = {}
    for name in options.sets or own or EXAMPLES:
        label = f"{label_of(name)} (quick)" if options.quick else label_of(name)
        if label in folders or (name not in SETS and label in SETS):
            raise TwinshotError(
                f"{name}: another set is also called {label!r}; rename the folder, or run the two separately"
            )
        folders[label] = prepare(name, options.data, options.out / "sets", options.seed, options.quick)
    return folders


def facts_of(card: Card) -> ModelFacts:
    """What a reader wants to know of a network's training."""
    stages = _stages(card.training)
    last = stages[-1].recipe
    hours: dict[str, float] = {}
    for stage in stages:
        where = "hours" if stage.device == "cpu" else "gpu_hours"
        hours[where] = hours.get(where, 0.0) + stage.hours
    return ModelFacts(
        about=card.about,
        source=card.source,
        parameters=card.parameters,
        steps=sum(stage.steps for stage in stages),
        **hours,
        samples=sum(stage.steps * stage.recipe["data"]["batch"] for stage in stages),
        crop=last["data"]["crop"],
        width=width_of(last["net"]),
        loss=loss_of(last),
        recipe=", ".join(stage.recipe["name"] for stage in stages),
        sha256=card.sha256,
    )


def _stages(training: Training) -> list[Training]:
    """A training and, before it, that of the model it began with."""
    return [*(_stages(training.before) if training.before else []), training]


def _know_motion(results: Results, options: Options, systems: Sequence[str], say: Say) -> None:
    """The known-motion reference, where both networks it stands beside are run."""
    if missing := [name for name in KNOWN_PAIR if name not in systems]:
        say(f"known motion: left out, as {missing[0]} is not among the systems")
        return
    from . import reference  # scipy

    photos = _photographs(options)
    versions = tuple(_whole(name) for name in KNOWN_PAIR)
    made = structs.replace(_simulated(options, photos), reference=own_checksum(reference), versions=versions)
    if results.reference is None or results.reference.made != made:
        found = reference.known_motion(photos, *KNOWN_PAIR, _KNOWN_PICTURES, options.seed)
        results.reference = reference.table(found, *KNOWN_PAIR, made)
        keep_results(results, options.out)
    say(f"known motion: {structs.asdict(results.reference.means)}")


def _whole(name: str) -> str:
    """A system's key where its frames are matched on the way."""
    return str(key_of(name, whole=True))


def _photographs(options: Options) -> Path:
    """Held-out photographs of the data root, or scikit-image's."""
    held_out = options.data / "photos" / "val" if options.data else None
    return held_out if held_out and held_out.is_dir() else examples(options.out / "sets" / "photographs")


def _simulated(options: Options, photos: Path) -> Origin:
    """What pairs of photographs depend on: these by name and size, the seed, and the code that makes them."""
    names = "\n".join(f"{path.name} {path.stat().st_size}" for path in images_in(photos))
    listing = hashlib.sha256(names.encode()).hexdigest()[:12]
    return Origin(options.seed, listing, code_checksum(robustness))


def _measure_speed(results: Results, options: Options, systems: Sequence[str], say: Say) -> None:
    """Seconds and memory; with `quick` of the networks alone, in one engine.

    Those of a processor of another name are made anew. Machines whose processors share one are not told apart.
    """
    table = results.speed = results.speed or Speed(speed.SIZE, {})
    photographs = examples(options.out / "sets" / "photographs")
    folder = speed.picture(photographs, options.out / "sets" / "speed", options.seed)
    for name in [name for name in systems if name in manifest() or not options.quick]:
        for engine in ["onnx"] if options.quick else engines_for(name):
            label = name if engine == "onnx" else f"{name} ({engine})"
            version = str(key_of_speed(name, engine))
            row = table.systems.get(label, SpeedRow())
            if row.version != version:
                row = speed.measure(name, folder, engine)
                row = row if row.error else structs.replace(row, version=version, machine=machine())
                table.systems[label] = row
                keep_results(results, options.out)
            say(f"speed: {label} {row.error or f'{row.seconds} s'}")


def key_of_speed(name: str, engine: str) -> RowKey:
    """What a row of the speed table depends on: the system, its graph, what runs and times it, and where."""
    key = key_of(name, engine, whole=True)
    return replace(key, code=f"{key.code} {own_checksum(speed, peak)}", machine=machine())


def engines_for(name: str) -> list[str]:
    """What can run a system here: for a network, every engine whose package or graph is there."""
    card = manifest().get(name)
    there = {"onnx": True, "int8": bool(card and card.int8), "cuda": bool(card) and has_cuda()}
    return [engine for engine in ENGINES if there.get(engine, bool(card and find_spec(engine)))]


def _draw_curves(results: Results, options: Options, systems: Sequence[str], say: Say) -> None:
    """PSNR along each difficulty, of all systems that take a pair's frames and are quick enough."""
    photos = _photographs(options)
    chosen = robustness.large_enough(photos)[:_CURVE_PICTURES]
    made = _simulated(options, photos)
    drawn = [name for name in systems if name not in _SLOW]
    for axis in robustness.AXES:
        empty = Curves(axis.label, axis.unit, list(axis.values), len(chosen), {}, {}, made)
        found = results.robustness.get(axis.key, empty)
        if (found.values, found.pictures, found.made) != (empty.values, empty.pictures, made):
            found = empty
        results.robustness[axis.key] = found
        late = [name for name in drawn if found.versions.get(name) != _whole(name)]
        pairs = robustness.pairs_along(axis, chosen, options.seed) if late else []
        for name in late:
            try:
                curve = robustness.curve(system(name), pairs)
            except Exception as error:  # systems are others' code too, and raise what they like
                say(f"{axis.label}: {name} {reason(error)}")
                continue
            found.systems[name], found.versions[name] = curve, _whole(name)
            keep_results(results, options.out)
            say(f"{axis.label} ({axis.unit}): {name} {curve}")
