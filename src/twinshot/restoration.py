"""The way of a picture, in one screen: two frames in, one sharp clean picture out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from . import burst, tiled
from .engines.loading import Model, load_model
from .files import atomic, io
from .files.pairs import Source, carried, carried_alone, in_one_profile, paths_of, read_pair, what_remains
from .match.prepare import Prepared, prepare
from .match.swap import Ordered
from .picture.errors import InputError, MismatchError, ModelError
from .picture.pair import Frame, Pair
from .picture.settings import AS_FOUND, Settings, check_settings
from .progress import Clock, Progress
from .report import report_on
from .restored import Restored

_log = logging.getLogger("twinshot")


def restore(
    noisy: Source | Sequence[Source] | Pair,
    blurry: Source | None = None,
    *,
    model: str | Model = "twin",
    engine: str | None = None,
    progress: Progress | None = None,
    settings: Settings = AS_FOUND,
) -> Restored:
    """Fuse a short noisy and a long blurry photograph of one scene into one sharp, clean picture.

    Args:
        noisy, blurry: file paths, or arrays (H, W, 3), RGB, sRGB-encoded: uint8, uint16 or float in [0, 1]; one
            size, both sides at least 16 px. Given in the other order, they are changed over, and the report says so.
            Or one `Pair`, whose frames can say their exposure, profile and bits.
        model: name of a model, which is loaded once and kept, or a loaded one.
        engine: what runs a model that is given by name, as `load_model` takes it; a loaded one has its own.
        progress: called with (stage, done, total), on the caller's thread: as each of the stages "read", "match" and
            "restore" begins, with 0 done, and in the last one after each tile. To cancel, let it raise: that ends the
            work before the next stage or tile, and comes through as it is.
        settings: what is overruled of what twinshot would decide.

    Raises:
        InputError: a frame or the settings cannot be used.
        MismatchError: the two do not go together.
        ModelError: there is no such model or engine, or it could not be run.
    """
    check_settings(settings)
    clock = Clock()
    network = _network(model, engine)
    if progress:
        progress("read", 0, 1)
    frames = in_one_profile(noisy) if isinstance(noisy, Pair) else read_frames(noisy, blurry, settings)
    clock.lap("read")
    sources = () if isinstance(noisy, Pair) else paths_of(*_all(noisy, blurry))
    return restore_frames(frames, network, progress, clock, settings).made_of(sources)


def restore_frames(
    frames: Pair | Ordered | Prepared | Frame,
    network: Model,
    progress: Progress | None = None,
    clock: Clock | None = None,
    settings: Settings = AS_FOUND,
) -> Restored:
    """The same for frames that were read: a pair, ordered or matched already or not, or a burst's short frame alone."""
    if not isinstance(frames, Frame):
        return restore_pair(frames, network, progress, clock, settings)
    alone = restore_alone(frames, network, progress, clock, settings)
    return replace(alone, trust=np.zeros(frames.size, np.uint8)) if settings.trust_map else alone


def read_frames(
    noisy: Source | Sequence[Source], blurry: Source | None = None, settings: Settings = AS_FOUND
) -> Pair | Frame:
    """The frames, read and checked, those of a list merged.

    Raises:
        InputError: one cannot be read or used, or there is but one.
        MismatchError: they do not go together, or one file was given twice.
    """
    if not isinstance(noisy, (list, tuple)):
        if blurry is None:
            raise InputError("the blurry frame is missing: give two frames, or one Pair")
        return read_pair(cast(Source, noisy), blurry, settings.accept_damaged)
    _check_different(paths_of(*_all(noisy, blurry)))
    long = None if blurry is None else io.read(blurry, "the long array", settings.accept_damaged)
    sensor = long.metadata.sensor if long else None
    short = [
        io.read(source, f"array {index} of the list", settings.accept_damaged, sensor)
        for index, source in enumerate(noisy, 1)
    ]
    merged = burst.merge(short)
    return in_one_profile(Pair(merged, long)) if long else what_remains(merged)


def _check_different(files: Sequence[Path]) -> None:
    for index, file in enumerate(files):
        if any(atomic.same_file(file, other) for other in files[:index]):
            raise MismatchError(f"{file} was given twice; give each frame once")


def _all(noisy: Source | Sequence[Source], blurry: Source | None) -> tuple[Source, ...]:
    """Every source in order: a list is of several short frames."""
    short: tuple[Source, ...] = tuple(noisy) if isinstance(noisy, (list, tuple)) else (cast(Source, noisy),)
    return short if blurry is None else (*short, blurry)


def _network(model: str | Model, engine: str | None) -> Model:
    if not isinstance(model, Model):
        return load_model(model, engine)
    if engine not in (None, model.engine):
        raise ModelError(
            f"{model.name} was loaded with engine {model.engine!r}, not {engine!r}; load it again with that engine"
        )
    return model


def restore_pair(
    pair: Pair | Ordered | Prepared,
    network: Model,
    progress: Progress | None = None,
    clock: Clock | None = None,
    settings: Settings = AS_FOUND,
) -> Restored:
    """The same for frames that were read: match, network. Stages add to `clock`.

    Frames that do not go together are left to the network's fallback, which sees the noisy one alone.
    """
    clock = clock or Clock()
    ready = pair if isinstance(pair, Prepared) else _match(pair, progress, clock, settings)
    network = network.best if settings.best else network
    network = network if ready.same_scene else network.fallback
    pixels, trust, taken = tiled.fuse(ready, network, progress, settings)
    clock.lap("restore")
    for caution in ready.cautions:
        _log.warning(caution.text)
    report = report_on(ready.pair.noisy, network, clock.seconds, ready, taken)
    short, long = (
        Path(frame.name).name for frame in (ready.pair.noisy, ready.pair.blurry)
    )  # no folders: they are private
    history = f"{short} with {long}, model {network.name}"
    return Restored(pixels, report, carried(ready.pair, history), ready.cautions, trust=trust)


def _match(pair: Pair | Ordered, progress: Progress | None, clock: Clock, settings: Settings) -> Prepared:
    if progress:
        progress("match", 0, 1)
    ready = prepare(pair, settings)
    clock.lap("match")
    return ready


def restore_alone(
    frame: Frame,
    network: Model,
    progress: Progress | None = None,
    clock: Clock | None = None,
    settings: Settings = AS_FOUND,
) -> Restored:
    """A short frame without a long one, by the network's fallback: as bright as it is."""
    clock, network = clock or Clock(), (network.best if settings.best else network).fallback
    pixels = tiled.denoise(frame, network, progress, settings)
    clock.lap("restore")
    report = report_on(frame, network, clock.seconds)
    return Restored(pixels, report, carried_alone(frame, f"{Path(frame.name).name}, model {network.name}"))
