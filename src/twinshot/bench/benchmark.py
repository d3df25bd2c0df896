"""The whole benchmark: sets, systems, speed, robustness and the report, in one folder that a killed run goes on in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from .. import io
from ..engine import ENGINES, manifest
from ..pair import TwinshotError
from . import reference, robustness, speed
from .report import markdown, write_report
from .run import Bench, Results, keep_results, open_results, run
from .sets import BURST, EXAMPLES, available, examples, prepare
from .systems import known_systems, version_of

Say = Callable[[str], None]
Part = Literal["quality", "reference", "speed", "robustness"]

_CURVE_PICTURES = 6
_KNOWN_PICTURES = 16
_KNOWN_PAIR = ("twin", "twin-noisy")
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
        quick: four small pictures a set, speed of the networks alone, no robustness curves, no known motion.
        parts: what to run; none: all of it.
    """

    sets: tuple[str, ...]
    systems: tuple[str, ...]
    data: Path | None
    out: Path
    seed: int
    quick: bool
    parts: tuple[Part, ...] = ()

    def has(self, part: Part) -> bool:
        """Whether a part is to be run."""
        return part in self.parts or not self.parts


def benchmark(options: Options, say: Say) -> Results:
    """Run it all; returns what is in results.json.

    Raises:
        TwinshotError: a set that is not there or incomplete, an unknown system, or `out` holds something else.
    """
    systems = options.systems or tuple(known_systems())
    if unknown := sorted(set(systems) - set(known_systems())):
        raise TwinshotError(f"no system is called {unknown[0]!r}; choose of {', '.join(known_systems())}")
    open_results(options.out)  # a folder of something else is refused before any work
    names = (options.sets or _default_sets(options)) if options.has("quality") else ()
    made = options.out / "sets"
    folders = {Path(name).name: prepare(name, options.data, made, options.seed, options.quick) for name in names}
    results = run(Bench(folders, systems, options.seed, options.out), say)
    results["models"] = {name: _training(card) for name, card in manifest().items()}
    if options.has("reference"):
        _know_motion(results, options, systems, say)
    if options.has("speed"):
        _measure_speed(results, options, systems, say)
    if options.has("robustness") and not options.quick:
        _draw_curves(results, options, systems, say)
    keep_results(results, options.out)
    io.write_bytes(options.out / "summary.md", markdown(results).encode())
    write_report(options.out)
    return results


def _default_sets(options: Options) -> list[str]:
    own = [] if options.quick else [name for name in available(options.data) if name not in EXAMPLES]
    return own or list(EXAMPLES)


def _training(card: dict[str, Any]) -> dict[str, Any]:
    """What a reader wants to know of a network's training."""
    training = card["training"]
    recipe = training["recipe"]
    return {
        "parameters": card["parameters"],
        "hours": training["hours"],
        "samples": training["steps"] * recipe["data"]["batch"],
        "crop": recipe["data"]["crop"],
        "recipe": recipe["name"],
        "sha256": card["sha256"],
    }


def _know_motion(results: Results, options: Options, systems: Sequence[str], say: Say) -> None:
    """The known-motion reference, where both networks it stands beside are run."""
    if options.quick or not set(_KNOWN_PAIR) <= set(systems):
        return
    versions = [version_of(name) for name in _KNOWN_PAIR]
    if results.get("reference", {}).get("versions") != versions:
        found = reference.known_motion(_photographs(options), *_KNOWN_PAIR, _KNOWN_PICTURES, options.seed)
        results["reference"] = {**reference.table(found, *_KNOWN_PAIR), "versions": versions}
        keep_results(results, options.out)
    say(f"known motion: {results['reference']['means']}")


def _photographs(options: Options) -> Path:
    """Held-out photographs of the data root, or scikit-image's."""
    held_out = options.data / "photos" / "val" if options.data else None
    return held_out if held_out and held_out.is_dir() else examples(options.out / "sets" / "photographs")


def _measure_speed(results: Results, options: Options, systems: Sequence[str], say: Say) -> None:
    table = results.setdefault("speed", {"size": list(speed.SIZE), "systems": {}})
    made, burst = options.out / "sets", 1 if options.quick else BURST
    folder = speed.picture(examples(made / "photographs"), made / f"speed-{burst}", options.seed, burst)
    for name in [name for name in systems if name in manifest() or not options.quick]:
        for engine in _engines(name):
            label = name if engine == "onnx" else f"{name} ({engine})"
            if table["systems"].get(label, {}).get("version") != version_of(name):
                table["systems"][label] = {**speed.measure(name, folder, engine), "version": version_of(name)}
                keep_results(results, options.out)
            row = table["systems"][label]
            say(f"speed: {label} {row.get('error') or '{seconds} s, {memory_mb} MB'.format(**row)}")


def _engines(name: str) -> list[str]:
    """What can run a system here: for a network, every engine whose package is installed."""
    return [engine for engine in ENGINES if engine == "onnx" or (name in manifest() and find_spec(engine))]


def _draw_curves(results: Results, options: Options, systems: Sequence[str], say: Say) -> None:
    photos = _photographs(options)
    curves = results.setdefault("robustness", {})
    for axis in robustness.AXES:
        found = curves.setdefault(axis.field, robustness.table(axis, _CURVE_PICTURES))
        for name in [name for name in systems if name not in _SLOW]:
            if found["versions"].get(name) != version_of(name):
                found["systems"][name] = robustness.curve(axis, name, photos, _CURVE_PICTURES, options.seed)
                found["versions"][name] = version_of(name)
                keep_results(results, options.out)
            say(f"{axis.label} ({axis.unit}): {name} {found['systems'][name]}")
