"""Pictures and pairs that the tests share: small, synthetic, and the same in every run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from helpers import Outcome, save
from numpy.typing import NDArray
from skimage import data

from twinshot.picture.levels import eight_bit
from twinshot.synth.frames import StillWindow
from twinshot.synth.motion import MotionRange
from twinshot.synth.profiles import CameraProfile, Sample
from twinshot.synth.sample import sample

Command = Callable[..., Outcome]


# What a user's shell names is none of the tests' business; consoles look at it once, when the command is loaded.
for name in (
    *("TWINSHOT_DATA", "TWINSHOT_WEIGHTS", "TWINSHOT_TOKEN"),
    *("COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"),
):
    os.environ.pop(name, None)


@pytest.fixture(autouse=True, scope="session")
def _one_engine() -> Iterator[None]:
    """The same values on every machine, in servers that outlast a test, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWINSHOT_ENGINE", "onnx")
        yield


@pytest.fixture(autouse=True)
def _steady(request: pytest.FixtureRequest) -> Iterator[None]:
    """What learns or runs a torch network does so on one thread and from one seed."""
    if request.path.parent.name != "train" and not hasattr(request.module, "torch"):
        yield
        return
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> np.random.Generator:
    """For a test that takes any values: seeded by its name, so the same in every run, whatever runs before."""
    return np.random.default_rng(crc32(request.node.name.encode()))


@pytest.fixture(scope="session")
def photo() -> NDArray[np.uint8]:
    """A sharp photograph, (300, 420, 3)."""
    picture: NDArray[np.uint8] = data.astronaut()[:300, 40:460]
    return picture


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory, photo: NDArray[np.uint8]) -> Path:
    """A folder of three photographs, about 320 x 260 px."""
    folder = tmp_path_factory.mktemp("photos")
    save(folder / "astronaut.png", photo[:260, :320])
    save(folder / "chelsea.png", data.chelsea()[20:280, 60:380])
    save(folder / "coffee.png", data.coffee()[60:320, 120:440])
    return folder


@pytest.fixture(scope="session")
def triple(photos: Path) -> Sample:
    """A night shot of 160 x 224 px: noisy, eight times shorter than blurry, and the truth."""
    window = StillWindow(photos / "astronaut.png", (), (160, 224), MotionRange(blur=(8.0, 10.0), movers=0.0))
    night = replace(CameraProfile(), level=(0.55, 0.55), ratio=(8.0, 8.0), mosaic=1.0, jpeg=0.0, dark_file=0.0)
    return sample(window, night, 3)


@pytest.fixture(scope="session")
def frames(triple: Sample) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The noisy and the blurry frame of `triple` as 8-bit pixels."""
    return eight_bit(triple.noisy), eight_bit(triple.blurry)


@pytest.fixture
def files(tmp_path: Path, frames: tuple[NDArray[np.uint8], NDArray[np.uint8]]) -> tuple[Path, Path]:
    """The pair as noisy.png and blurry.png in the test's own folder."""
    return save(tmp_path / "noisy.png", frames[0]), save(tmp_path / "blurry.png", frames[1])


@pytest.fixture
def no_new_files(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Called with an errno, has the system say so to whoever makes a file."""

    def refuse(reason: int) -> None:
        kept = os.open

        def answer(path: str, flags: int, *arguments: int, **options: int) -> int:
            if flags & os.O_CREAT:
                raise OSError(reason, os.strerror(reason))
            return kept(path, flags, *arguments, **options)

        monkeypatch.setattr(os, "open", answer)

    return refuse


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The command in this process, with all that reaches its streams, from C libraries too."""
    from twinshot.cli.main import main

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["twinshot", *map(str, arguments)])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return Outcome(code, *capfd.readouterr())

    return call
