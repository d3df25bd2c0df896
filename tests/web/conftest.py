"""A server on loopback, in a thread of the tests' own process."""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import save
from PIL import Image

pytest.importorskip("sse_starlette", reason="the extra `web` is not installed")

import httpx

from twinshot.picture.levels import eight_bit
from twinshot.synth.profiles import Sample
from twinshot.web.jobs import Desk
from twinshot.web.server import Server, listen, server
from twinshot.web.settings import Settings


@dataclass(frozen=True)
class Site:
    """A server that runs, and a client of it."""

    url: str
    client: httpx.Client
    running: Server

    @property
    def desk(self) -> Desk:
        return self.running.config.app.state.desk  # type: ignore[no-any-return, union-attr]

    def send(self, *paths: Path, **fields: str) -> httpx.Response:
        """Two photographs as `short` and `long`."""
        return self.post(zip(("short", "long"), paths, strict=True), **fields)

    def post(self, photos: Iterable[tuple[str, Path]], **fields: str) -> httpx.Response:
        """Photographs, each under the name of its field."""
        files = [(name, (path.name, path.read_bytes())) for name, path in photos]
        return self.client.post("/v1/restorations", files=files, data=fields)

    def again(self, job: dict[str, Any], **fields: str) -> httpx.Response:
        """The photographs of an earlier restoration."""
        return self.client.post("/v1/restorations", data={"of": job["id"], **fields})

    def watch(self, job_id: str) -> Iterator[dict[str, Any]]:
        """Its states, by server-sent events."""
        with self.client.stream("GET", f"/v1/restorations/{job_id}/events") as stream:
            assert stream.status_code == 200, stream.read()
            for line in stream.iter_lines():
                if line.startswith("data: "):
                    yield json.loads(line[6:])

    def ends(self, answer: httpx.Response) -> dict[str, Any]:
        """The last state of a restoration that was accepted."""
        assert answer.status_code == 202, answer.text
        *_, last = self.watch(answer.json()["id"])
        return last


@contextmanager
def open_site(**settings: Any) -> Iterator[Site]:
    """A server with these settings, for as long as the block lasts."""
    chosen = Settings(**{"port": 0, **settings})
    running = server(chosen)
    with listen(chosen) as at:
        thread = threading.Thread(target=lambda: asyncio.run(running.serve([at])))
        thread.start()
        url = f"http://127.0.0.1:{at.getsockname()[1]}"
        deadline = time.monotonic() + 20
        while not running.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert running.started
        headers = {"Authorization": f"Bearer {chosen.token}"} if chosen.token else {}
        try:
            with httpx.Client(base_url=url, timeout=60, headers=headers, trust_env=False) as client:
                yield Site(url, client, running)
        finally:
            running.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """A server as it comes."""
    with open_site() as one:
        yield one


@pytest.fixture
def serving() -> Iterator[Callable[..., Site]]:
    """Opens servers with settings of the test's choice."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(open_site(**settings))


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory, frames: tuple[Any, Any]) -> tuple[Path, Path]:
    """The small pair as files that no test changes."""
    folder = tmp_path_factory.mktemp("pair")
    return save(folder / "noisy.png", frames[0]), save(folder / "blurry.png", frames[1])


@pytest.fixture(scope="session")
def burst(tmp_path_factory: pytest.TempPathFactory, triple: Sample, frames: tuple[Any, Any]) -> tuple[Path, ...]:
    """Two short frames of one scene, their noise their own, and the long one between them."""
    folder = tmp_path_factory.mktemp("burst")
    noise = np.random.default_rng(5).normal(0, 0.03, triple.noisy.shape)
    other = eight_bit(np.clip(triple.sharp * (triple.noisy.mean() / triple.sharp.mean()) + noise, 0, 1))
    pictures = zip("abc", (frames[0], frames[1], other), strict=True)
    return tuple(save(folder / f"{name}.png", picture) for name, picture in pictures)


@pytest.fixture(scope="session")
def holiday(
    tmp_path_factory: pytest.TempPathFactory, pair: tuple[Path, Path], burst: tuple[Path, ...], photo: Any
) -> Path:
    """A folder of a pair, a burst of another scene, one photograph alone, and what is no photograph."""
    folder = tmp_path_factory.mktemp("holiday")
    for name, path in zip(("1 short.png", "2 long.png"), pair, strict=True):
        (folder / name).write_bytes(path.read_bytes())
    for path, seconds in zip(burst, (0.05, 0.4, 0.05), strict=True):
        told = Image.Exif()
        told.get_ifd(0x8769)[0x829A] = seconds  # the exposure time
        save(
            folder / f"3{path.stem}.jpg",
            np.ascontiguousarray(np.asarray(Image.open(path))[::-1, ::-1]),
            exif=told,
            quality=95,
        )
    save(folder / "4 alone.png", photo[100:260, 20:244])
    save(folder / "4 alone-restored.png", photo[:32, :32])
    (folder / "5 broken.jpg").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("on film")
    return folder


@pytest.fixture(scope="session")
def large_pair(tmp_path_factory: pytest.TempPathFactory, frames: tuple[Any, Any]) -> tuple[Path, Path]:
    """A pair that takes long enough to be in the middle of it: 2240 x 480 px."""
    folder = tmp_path_factory.mktemp("large")
    short, long = (np.tile(frame, (3, 10, 1)) for frame in frames)
    return save(folder / "noisy.png", short), save(folder / "blurry.png", long)


def timeless(data: bytes) -> list[bytes]:
    """A picture file's content without the moment it was written at, which its XMP holds."""
    if not data.startswith(b"\x89PNG"):
        return [_without_moment(data)]
    chunks, place = [], 8
    while place < len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4])
        chunks.append(_without_moment(data[place + 4 : end]))
        place = end + 4  # behind the checksum
    return chunks


def _without_moment(data: bytes) -> bytes:
    return re.sub(rb'stEvt:when="[^"]*"', b"", data)


Timeless = Callable[[bytes], list[bytes]]


@pytest.fixture(name="timeless")
def _timeless() -> Timeless:
    """`timeless`, for tests."""
    return timeless
