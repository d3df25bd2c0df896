"""Where files are: in folders, or behind an address such as s3://BUCKET/NAME that fsspec knows a way to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from ..files import atomic
from ..picture.errors import InputError


def place(name: str) -> Path:
    """A path, or for an address what does as one. Raises InputError where nothing is installed for its scheme."""
    if "://" not in name:
        return Path(name)
    from upath import UPath

    try:
        found = UPath(name)
        assert found.fs  # asks for what its scheme needs, but not for the file
    except (ImportError, ValueError) as error:
        raise InputError(f"{name}: fsspec knows no way there ({error}); install what it asks for") from error
    return cast(Path, found)


def is_remote(path: Path) -> bool:
    """Whether it is an address."""
    return "://" in str(path)


def absolute(path: Path) -> Path:
    """The same from any working folder."""
    return path if is_remote(path) else path.absolute()


def claimed(folder: Path) -> AbstractContextManager[None]:
    """As `atomic.claimed`; no claim can be laid to an address."""
    return nullcontext() if is_remote(folder) else atomic.claimed(folder)


def make_folder(folder: Path) -> None:
    """Where there are folders."""
    if not is_remote(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """A file, whole or not at all, which object stores promise by themselves. Raises OutputError, or OSError."""
    if is_remote(path):
        path.write_bytes(data)
    else:
        atomic.write_bytes(path, data)


class Listing:
    """What exists, of addresses by listing each folder once: a question for each of a million would take hours."""

    def __init__(self) -> None:
        self.names: dict[str, set[str]] = {}

    def has(self, path: Path) -> bool:
        """Whether a file existed when its folder was first asked for."""
        if not is_remote(path):
            return path.exists()
        folder = path.parent
        if str(folder) not in self.names:
            self.names[str(folder)] = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
        return path.name in self.names[str(folder)]


class Copies:
    """Files of a temporary folder that stand for addresses."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.of = folder, dict[str, Path]()

    def near(self, path: Path, fetch: bool = True) -> Path:
        """The path itself, or a file to read in an address's place; or, not fetched, to write there."""
        if not is_remote(path):
            return path
        copy = self.folder / str(len(self.of)) / path.name
        copy.parent.mkdir()
        self.of[str(copy)] = path
        if fetch:
            copy.write_bytes(path.read_bytes())
        return copy

    def renamed(self, text: str) -> str:
        """A text that says the addresses where it said the files."""
        for copy, path in self.of.items():
            text = text.replace(copy, str(path))
        return text


@contextmanager
def copies() -> Iterator[Copies]:
    """They last as long as this."""
    with TemporaryDirectory(prefix="twinshot-") as folder:
        yield Copies(Path(folder))
