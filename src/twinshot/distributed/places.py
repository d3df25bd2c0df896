"""Where files are: in folders, or at an address such as s3://BUCKET/NAME, which fsspec reads and writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from ..files import atomic
from ..picture.errors import InputError


def place(name: str) -> Path:
    """A path, or a `UPath` for an address. Raises InputError where nothing is installed for its scheme."""
    if "://" not in name:
        return Path(name)
    from upath import UPath

    try:
        address = UPath(name)
        assert address.fs  # loads the package that the scheme needs; the file is not looked at
    except (ImportError, ValueError) as error:
        raise InputError(f"{name}: such an address cannot be opened ({error}); install what it needs") from error
    return cast(Path, address)


def is_remote(path: Path) -> bool:
    """Whether it is an address."""
    return "://" in str(path)


def absolute(path: Path) -> Path:
    """The same path whatever the working folder."""
    return path if is_remote(path) else path.absolute()


def locked(folder: Path) -> AbstractContextManager[None]:
    """As `atomic.locked`; an address cannot be locked."""
    return nullcontext() if is_remote(folder) else atomic.locked(folder)


def make_folder(folder: Path) -> None:
    """Make a folder; object stores have none."""
    if not is_remote(folder):
        folder.mkdir(parents=True, exist_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all; object stores do that anyway. Raises OutputError, or OSError."""
    if is_remote(path):
        path.write_bytes(data)
    else:
        atomic.write_bytes(path, data)


class Listing:
    """Which files exist. At addresses each folder is listed once: asking for a million files one by one takes hours."""

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
    """Local copies of files at addresses, in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.of = folder, dict[str, Path]()

    def near(self, path: Path, fetch: bool = True) -> Path:
        """The path itself; for an address a local copy to read or, not fetched, a local file to write."""
        if not is_remote(path):
            return path
        copy = self.folder / str(len(self.of)) / path.name
        copy.parent.mkdir()
        self.of[str(copy)] = path
        if fetch:
            copy.write_bytes(path.read_bytes())
        return copy

    def renamed(self, text: str) -> str:
        """The text with addresses in the place of their local copies."""
        for copy, path in self.of.items():
            text = text.replace(copy, str(path))
        return text


@contextmanager
def copies() -> Iterator[Copies]:
    """Local copies, removed at the end of the block."""
    with TemporaryDirectory(prefix="twinshot-") as folder:
        yield Copies(Path(folder))
