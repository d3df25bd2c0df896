"""What the trainer reads: rendered motion from the shards, with crop, noise, gain and turns drawn on the fly.

Sample number i is a pure function of (recipe, i): the stream is the same after a restart and for any number of
worker processes, and ranks that train together share out a batch's numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from msgspec import structs
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from ..match import tone
from ..match.align import registered
from ..picture.encoding import Image, to_linear, to_srgb
from ..picture.levels import eight_bit
from ..picture.pair import TwinshotError, as_float
from ..synth import noise
from ..synth.frames import WINDOW, FrameWindow, StillWindow, Window, images_in, read_photo, scenes_in, windows_of
from ..synth.gopro2 import GOPRO2, FilmPlan, evenly, films, in_turn
from ..synth.motion import MotionRange
from ..synth.profiles import BracketProfile, Sample, profile_named
from ..synth.sample import sample
from ..synth.shards import TRAINING_MOTION, Kind, Plan, ShardPlan, Sources, kinds_for, open_shards, render_missing
from . import ranks
from .brackets import bracket_triple
from .bursts import further, merged
from .config import DataConfig, Recipe, Source
from .pool import CPU, Pictures, Pool, Triple

if TYPE_CHECKING:
    from ..export.quantise import Frames  # which loads what only an export needs

_log = logging.getLogger(__name__)

_HOT = 0.003  # share of a file's pixels, at most


class ShardDataset(Dataset[Triple]):
    """Endless numbered samples; the profiles take turns."""

    def __init__(self, data: DataConfig, shards: Sequence[Path], seed: int) -> None:
        self.data, self.paths, self.seed = data, tuple(shards), seed
        self.profiles = [profile_named(name) for name in data.profiles]
        if data.target == "noisy" and any(isinstance(profile, BracketProfile) for profile in self.profiles):
            raise TwinshotError('target = "noisy": the profile bracket has no second frame to aim at; name others')
        if data.bursts and (data.target == "noisy" or "gaussian" in data.profiles):
            raise TwinshotError('bursts: neither target = "noisy" nor the profile gaussian has short frames to merge')

    @cached_property
    def shards(self) -> dict[Kind, list[NDArray[np.uint16]]]:
        """The shards by kind, opened in the process that reads them: a memory map does not travel."""
        opened = open_shards(self.paths)
        kinds = GOPRO2 if self.data.source == "gopro2" else kinds_for(self.profiles)
        return {kind: opened[turn :: len(kinds)] for turn, kind in enumerate(kinds)}

    def __getitem__(self, number: int) -> Triple:
        rng = np.random.default_rng([self.seed, number])
        quarters, mirrored = int(rng.integers(4)), rng.random() < 0.5  # before all else: a setting changes no turn
        triple = turned(self._triple(rng, number), quarters, mirrored)
        return black_and_white(triple, rng) if self.data.grey and rng.random() < self.data.grey else triple

    def _triple(self, rng: np.random.Generator, number: int) -> Triple:
        profile = self.profiles[number % len(self.profiles)]
        sharp, blurry = self._pair(self.shards[profile.light, profile.timing], rng, number)
        if isinstance(profile, BracketProfile):
            return bracket_triple(profile, sharp, blurry, self.data.bursts, rng)
        twice = self.data.target == "noisy"
        spoiled = profile.degrade(sharp, blurry, rng, (sharp,) if twice else further(sharp, self.data.bursts, rng))
        if self.data.hot_pixels and rng.random() < self.data.hot_pixels:
            spoiled = with_hot_pixels(spoiled, rng)
        spoiled = spoiled if twice else merged(spoiled, rng)
        error = np.exp(rng.normal(size=3) * self.data.gain_error)
        return as_triple(noisy_target(spoiled, error) if twice else spoiled, error)

    def _pair(self, shards: Sequence[NDArray[np.uint16]], rng: np.random.Generator, number: int) -> tuple[Image, Image]:
        if self.data.source == "gopro2":
            pair = in_turn(shards, number, self.seed)
        else:
            shard = shards[int(rng.integers(len(shards)))]
            pair = shard[rng.integers(len(shard))]
        slack = self.data.side - self.data.crop
        top, left = rng.integers(slack + 1), rng.integers(slack + 1)
        pair = pair[:, top : top + self.data.crop, left : left + self.data.crop]
        sharp, blurry = np.ascontiguousarray(pair).astype(np.float32) / np.float32(65535)
        return sharp, blurry


def turned(triple: Triple, quarters: int, mirrored: bool) -> Triple:
    """The sample mirrored and turned by quarters, noise and all.

    So a mosaic begins with any of its four photosites, as in files that were cropped or turned. A network that always
    saw the same one first learnt its place, and was 2 dB worse where it is another.
    """
    first, second, third = (
        torch.rot90(frame.flip(-1) if mirrored else frame, quarters, (-2, -1)).contiguous() for frame in triple
    )
    return first, second, third


def with_hot_pixels(spoiled: Sample, rng: np.random.Generator) -> Sample:
    """The sample with up to `_HOT` of its short file's pixels hot."""
    light = noise.with_hot_pixels(to_linear(spoiled.noisy), rng.uniform(0, _HOT), rng)
    return replace(spoiled, noisy=as_float(eight_bit(to_srgb(light).clip(0, 1))))


def black_and_white(triple: Triple, rng: np.random.Generator) -> Triple:
    """The sample as seen through one filter of any colour, its channels alike."""
    share = torch.from_numpy(rng.dirichlet(np.ones(3)).astype(np.float32))
    noisy, long, aim = (torch.einsum("c,chw->hw", share, frame).expand(3, -1, -1).contiguous() for frame in triple)
    return noisy, long, aim


def matched(spoiled: Sample, error: NDArray[Any] | float = 1.0) -> Image:
    """The noisy frame brought to the blurry frame's exposure by the known gain, times `error`."""
    return tone.apply(spoiled.noisy, true_tone(spoiled, error))


def true_tone(spoiled: Sample, error: NDArray[Any] | float = 1.0) -> tone.Tone:
    """What brings the noisy frame to the blurry frame's exposure, times `error`."""
    gain = np.asarray(spoiled.meta["gain"]) * error
    return tone.known(gain.tolist(), spoiled.meta["gain_light"])


def noisy_target(spoiled: Sample, error: NDArray[Any] | float = 1.0) -> Sample:
    """The sample with its second short frame as the truth, brought to the same exposure as the first (Noise2Noise).

    It is not clipped again, which would darken its mean near white. Where noise is even in linear light, as `camera`'s,
    encoding darkens the mean all the same, by 0.01 at middle values.
    """
    return replace(spoiled, sharp=tone.multiplied(spoiled.burst[0], true_tone(spoiled, error)))


def as_triple(spoiled: Sample, error: NDArray[Any] | float = 1.0) -> Triple:
    """Network inputs and target."""
    noisy, blurry, sharp = (
        torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
        for image in (matched(spoiled, error), spoiled.blurry, spoiled.sharp)
    )
    return noisy, blurry, sharp


def prepare_shards(recipe: Recipe, root: Path, folder: Path, workers: int) -> list[Path]:
    """Render the motion that is missing; returns all shards.

    It is made of `root`/photos/train and, where present, `root`/frames/train; with the source `gopro2` of films alone.

    Raises TwinshotError where there are more kinds of motion than shards, or what reading and rendering say.
    """
    data = recipe.data
    if data.source == "gopro2":
        return _prepare_films(data, root, folder, workers)
    frames = root / "frames" / "train"
    scenes = tuple(scenes_in(frames)) if frames.is_dir() else ()
    sources = Sources(images_in(root / "photos" / "train"), scenes)
    kinds = kinds_for([profile_named(name) for name in data.profiles])
    if data.shards < len(kinds):
        raise TwinshotError(f"shards = {data.shards}, but these profiles need {len(kinds)} kinds of shard; give more")
    plan = ShardPlan(kinds=kinds, shards=data.shards, per_shard=data.per_shard, side=data.side)
    return _rendered(sources, plan, folder, workers)


def _prepare_films(data: DataConfig, root: Path, folder: Path, workers: int) -> list[Path]:
    profiles = [profile_named(name) for name in data.profiles]
    if wrong := [each.name for each in profiles if (each.light, each.timing) not in GOPRO2]:
        raise TwinshotError(f'profiles: {wrong[0]!r} is not averaged as GOPRO2 is; give paper, or source = "mixed"')
    plan = FilmPlan(data.shards, data.per_shard, data.side)
    return _rendered(films(root, "train"), plan, folder, workers)


def _rendered(sources: Sources, plan: Plan, folder: Path, workers: int) -> list[Path]:
    """All shards. Says so first where some are missing: minutes may go by before there is a step to tell of."""
    total = plan.count(sources)
    missing = sum(not (folder / plan.name(sources, index)).exists() for index in range(total))
    if missing and ranks.rank() == 0:
        _log.info("rendering motion first: %d of %d shards are missing in %s", missing, total, folder)
    return render_missing(sources, plan, folder, workers)


def batches(recipe: Recipe, shards: Sequence[Path], first_step: int, device: torch.device = CPU) -> Iterator[Triple]:
    """Batches of the steps from `first_step` to the recipe's last, this rank's part of each, on the device."""
    if first_step >= recipe.steps:
        return iter(())
    if recipe.data.reuse > 1:
        return _cropped_often(recipe, shards, first_step, device)
    return _cropped_once(recipe, shards, first_step, device)


def _cropped_once(recipe: Recipe, shards: Sequence[Path], first_step: int, device: torch.device) -> Iterator[Triple]:
    size = recipe.data.batch
    numbers = ranks.part(range(first_step * size, recipe.steps * size), size)
    dataset = ShardDataset(recipe.data, shards, recipe.seed)
    for batch in _read_ahead(dataset, numbers, size // ranks.count(), device):
        noisy, blurry, sharp = (image.to(device, non_blocking=True) for image in batch)
        yield noisy, blurry, sharp


def _cropped_often(recipe: Recipe, shards: Sequence[Path], first_step: int, device: torch.device) -> Iterator[Triple]:
    pool = Pool(recipe, device)
    whole = ShardDataset(structs.replace(recipe.data, crop=recipe.data.side), shards, recipe.seed)
    numbers = pool.numbers(first_step, recipe.steps)
    return pool.batches(_read_ahead(Pictures(whole), numbers, pool.refill, device), first_step)


def _read_ahead(dataset: Dataset[Any], numbers: Iterable[int], size: int, device: torch.device) -> Iterable[Any]:
    """Numbered items in batches of `size`, drawn by one process beside training, for a GPU by all cores but one."""
    gpu = device.type == "cuda"
    return DataLoader(
        dataset,
        batch_size=size,
        sampler=numbers,
        num_workers=max(1, torch.get_num_threads() - 1) if gpu else 1,
        prefetch_factor=2 if gpu else 8,  # of each process
        pin_memory=gpu,
        worker_init_fn=_single_thread,
        generator=torch.Generator(),  # its own: the global stream is the nets', and a resumed run must find it unmoved
        multiprocessing_context="spawn",  # a fork would inherit locks of OpenMP's and OpenCV's threads
    )


def _single_thread(_: int) -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


@dataclass(frozen=True)
class Validation:
    """Held-out triples by group: each profile on photographs never trained on, and the real windows."""

    groups: dict[str, list[Triple]]


def validation(
    root: Path, profiles: Sequence[str], count: int = 24, side: int = 256, source: Source = "mixed"
) -> Validation:
    """`count` simulated triples a profile from `root`/photos/val, the real windows of `root`/frames/val; registered.

    With the source `gopro2`, `count` of the windows of the films held out are all there is.
    """
    if source == "gopro2":
        return Validation({"real": _of_films(evenly(films(root, "val"), count), profiles[0])})
    photos = images_in(root / "photos" / "val")
    # A profile may take several turns.
    groups = {name: _of_photographs(photos, name, count, side) for name in dict.fromkeys(profiles)}
    frames = root / "frames" / "val"
    if frames.is_dir():
        windows = [window for scene in scenes_in(frames) for window in windows_of(scene)]
        if not windows:
            raise TwinshotError(f"{frames}: validation needs {WINDOW} frames in a row; add some, or remove the folder")
        groups["real"] = _of_films(windows, "paper")
    return Validation(groups)


def _of_films(windows: Sequence[FrameWindow], profile: str) -> list[Triple]:
    return _triples([replace(window, crop=_view(window.frames[0])) for window in windows], profile)


def _view(frame: Path) -> tuple[int, int, int]:
    """Top, left and side of what is validated on of a film: all nets take multiples of 32.

    Raises TwinshotError for a film of less than 64 px.
    """
    height, width = read_photo(frame).shape[:2]
    side = min(416, height, width) // 32 * 32
    if side < 64:
        raise TwinshotError(f"{frame}: {width}x{height} is too small for validation; give frames of at least 64 px")
    return min(200, height - side), min(400, width - side), side


def calibration(root: Path, profiles: Sequence[str], count: int = 12, side: int = 256) -> list[Frames]:
    """`count` registered pairs a profile of photographs that were trained on, for `export.quantise`."""
    photos = images_in(root / "photos" / "train")
    triples = [triple for name in dict.fromkeys(profiles) for triple in _of_photographs(photos, name, count, side)]
    return [(noisy[None].numpy(), blurry[None].numpy()) for noisy, blurry, _ in triples]


def _of_photographs(photos: tuple[Path, ...], profile: str, count: int, side: int) -> list[Triple]:
    if isinstance(bracket := profile_named(profile), BracketProfile):
        return _brackets(photos, bracket, count, side)
    stills = [StillWindow(photos[i % len(photos)], photos, (side, side), MotionRange()) for i in range(count)]
    return _triples(stills, profile)


def _brackets(photos: tuple[Path, ...], profile: BracketProfile, count: int, side: int) -> list[Triple]:
    """As they are trained on: what registration leaves is simulated, too."""
    triples = []
    for i in range(count):
        rng, still = (
            np.random.default_rng([7, i]),
            StillWindow(photos[i % len(photos)], photos, (side, side), TRAINING_MOTION),
        )
        sharp, blurry = still.expose(profile.light, rng)
        triples.append(bracket_triple(profile, sharp, blurry, 0.0, rng))
    return triples


def _triples(windows: Sequence[Window], profile: str) -> list[Triple]:
    """Registered, but where the long frame has the truth at its middle: nets that see it alone see it as it is."""
    spoiled = (sample(w, profile_named(profile), [7, i]) for i, w in enumerate(windows))
    if profile_named(profile).timing == "middle":
        return [as_triple(each) for each in spoiled]
    return [as_triple(replace(each, blurry=registered(each.noisy, each.blurry))) for each in spoiled]
