"""Motion rendered ahead: exposed pairs (sharp, blurry) in shards, to which the trainer adds noise as it reads.

A shard is one .npy file, uint16 (count, 2, side, side, 3), sRGB-encoded; its name says of which kind it is: the light
the long exposure was averaged in, and the sharp frame's place in time. It is a pure function of (sources, plan, index)
and appears whole or not at all, so that rendering may be killed and started again, or be shared out over machines.
"""

from __future__ import annotations

import os
import random
import threading
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cached_property, partial
from multiprocessing import active_children, get_context, parent_process
from pathlib import Path
from typing import IO, Protocol

import numpy as np
from numpy.typing import NDArray

from ..files import atomic
from ..machine import opencv_threads
from ..picture.encoding import Image
from ..picture.pair import TwinshotError
from .frames import FrameWindow, StillWindow, Window, read_photo
from .motion import MotionRange
from .profiles import Light, Profile, Timing

Kind = tuple[Light, Timing]

TRAINING_MOTION = MotionRange(inside=0.15, registered=0.95, leftover=0.25)
"""As use shows pairs: registered, as well as that can be done, but for the few where it fails."""
PAIRS: tuple[Kind, ...] = (("srgb", "before"), ("linear", "before"))


@dataclass(frozen=True)
class Sources:
    """Training material: photographs, and scenes of consecutive high-speed frames."""

    photos: tuple[Path, ...]
    scenes: tuple[tuple[Path, ...], ...] = ()

    @cached_property
    def listing(self) -> str:
        """Names and sizes of all files, wherever they lie: what is different material has another."""
        files = [*self.photos, *(frame for scene in self.scenes for frame in scene)]
        return "\n".join(f"{path.parent.name}/{path.name} {path.stat().st_size}" for path in files)


class Plan(Protocol):
    """What shards hold: a pure function of the plan, the sources and a shard's place."""

    def count(self, sources: Sources) -> int:
        """How many there are."""
        ...

    def name(self, sources: Sources, index: int) -> str:
        """A shard's file; whatever changes its bytes changes the name."""
        ...

    def pairs(self, sources: Sources, index: int) -> NDArray[np.uint16]:
        """A shard's bytes."""
        ...


@dataclass(frozen=True)
class ShardPlan:
    """What the shards hold; their kinds take turns."""

    kinds: tuple[Kind, ...] = PAIRS
    shards: int = 40
    per_shard: int = 500
    side: int = 256
    real: float = 0.08  # share of windows taken from high-speed frames, where there are any
    seed: int = 0
    motion: MotionRange = TRAINING_MOTION

    def count(self, sources: Sources) -> int:
        """See `Plan`."""
        return self.shards

    def name(self, sources: Sources, index: int) -> str:
        """File name of shard `index`; all sources and settings that change its bytes are in it."""
        light, timing = self.kind(index)
        label = light if timing == "before" else f"{light}-{timing}"
        drawn = f"{zlib.crc32(f'{self.motion} {self.real} {sources.listing}'.encode()):08x}"
        return f"{label}-{self.side}-{self.per_shard}-{drawn}-{self.seed}-{index:04d}.npy"

    def kind(self, index: int) -> Kind:
        """Of shard `index`."""
        return self.kinds[index % len(self.kinds)]

    def pairs(self, sources: Sources, index: int) -> NDArray[np.uint16]:
        """See `Plan`. Raises TwinshotError where a source is too small or short."""
        pairs = np.empty((self.per_shard, 2, self.side, self.side, 3), np.uint16)
        for number in range(self.per_shard):
            rng = np.random.default_rng([self.seed, index, number])
            light, timing = self.kind(index)
            exposed = window_of(sources, self, rng).expose(light, rng, timing)
            pairs[number] = [sixteen_bit(image) for image in exposed]
        return pairs


def kinds_for(profiles: Sequence[Profile]) -> tuple[Kind, ...]:
    """The kinds that profiles read; those of `paper` and `camera` are rendered in turn, whichever is asked for."""
    wanted = {(profile.light, profile.timing) for profile in profiles}
    return PAIRS if wanted <= set(PAIRS) else tuple(sorted(wanted))


def render_missing(sources: Sources, plan: Plan, folder: Path, workers: int) -> list[Path]:
    """Render the shards that `folder` lacks, `workers` at a time; returns all paths in order.

    Several runs, or machines that share the folder, share the work: each takes what is missing in an order of its own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / plan.name(sources, index) for index in range(plan.count(sources))]
    missing = [index for index, path in enumerate(paths) if not path.exists()]
    random.shuffle(missing)
    if missing:
        # A fork would inherit the locks of threads that OpenCV and torch may have started.
        with ProcessPoolExecutor(max(1, workers), get_context("spawn"), end_with_parent) as pool:
            _rendered(pool, partial(render, sources, plan, folder=folder), missing, folder)
    return paths


def _rendered(pool: ProcessPoolExecutor, work: Callable[[int], Path], missing: Sequence[int], folder: Path) -> None:
    try:
        list(pool.map(work, missing))
    except (KeyboardInterrupt, SystemExit):  # the pool would wait for what its processes have begun: minutes
        for process in active_children():
            process.terminate()
        raise
    except BrokenProcessPool as error:
        raise TwinshotError(
            f"{folder}: a process that renders shards was killed, possibly out of memory (each needs 1.5 GB). Run with "
            "fewer cores; finished shards are kept"
        ) from error


def end_with_parent() -> None:
    """Whoever kills a run with -9 wants its rendering to end, too."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def render(sources: Sources, plan: Plan, index: int, folder: Path) -> Path:
    """Render one shard, if it is not there.

    Raises TwinshotError where a source is too small or short, or the shard cannot be written.
    """
    path = folder / plan.name(sources, index)
    if path.exists():  # by now, another run's
        return path
    with opencv_threads(1):  # shards are rendered side by side
        pairs = plan.pairs(sources, index)

    def encode(file: IO[bytes]) -> None:
        np.save(file, pairs)

    atomic.write_atomically(path, encode)
    return path


def open_shards(paths: Sequence[Path]) -> list[NDArray[np.uint16]]:
    """Memory-mapped shards."""
    return [np.load(path, mmap_mode="r") for path in paths]


def window_of(sources: Sources, plan: ShardPlan, rng: np.random.Generator) -> Window:
    """What a pair is exposed from: part of a film, as often as planned, or a photograph. Raises TwinshotError."""
    if sources.scenes and rng.random() < plan.real:
        frames = sources.scenes[rng.integers(len(sources.scenes))]
        length = min(int(rng.integers(7, 16)), len(frames))
        if length < 3:
            raise TwinshotError(f"{frames[0].parent}: a scene needs at least 3 frames; 15 are better")
        start = int(rng.integers(len(frames) - length + 1))
        chosen = frames[start : start + length]
        turned, crop = tuple(chosen[:: rng.choice([-1, 1])]), random_crop(chosen[0], plan.side, rng)
        return FrameWindow(turned, crop, rng.random() < plan.motion.registered)
    photo = sources.photos[rng.integers(len(sources.photos))]
    return StillWindow(photo, sources.photos, (plan.side, plan.side), plan.motion)


def random_crop(frame: Path, side: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """Top, left and side of a part of a film's frame. Raises TwinshotError for a frame smaller than that."""
    height, width = read_photo(frame).shape[:2]
    if min(height, width) < side:
        raise TwinshotError(f"{frame}: {width}x{height} is too small; frames must be at least {side}x{side}")
    return int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1)), side


def sixteen_bit(image: Image) -> NDArray[np.uint16]:
    """Values in [0, 1] as a shard keeps them."""
    return (image * np.float32(65535) + np.float32(0.5)).astype(np.uint16)
