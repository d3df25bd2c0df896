"""Names of files, and files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ..picture.errors import InputError, OutputError

LOCK = ".lock"
"""The file of a folder that is locked while somebody works there."""
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a disk says that has no room, or none for this user."""
_UNSUPPORTED = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}


def path_of(source: str | os.PathLike[str], name: str = "array") -> Path:
    """A file's path. Raises InputError for what is none."""
    try:
        return Path(source)
    except TypeError as error:
        kind = type(source).__name__
        raise InputError(f"{name}: has type {kind}; give the path of a file, or a NumPy array (H, W, 3)") from error


def write_atomically(path: Path, encode: Callable[[IO[bytes]], object]) -> None:
    """Run `encode` on a temporary file beside `path`, then rename it; unless killed, it leaves nothing behind.

    A symbolic link stays one, and what it leads to is replaced. Raises OutputError where the folder is missing or
    cannot be written, or the disk is full.
    """
    temporary: Path | None = None
    try:
        target = Path(os.path.realpath(path))
        handle, temporary = _created(target)
        with os.fdopen(handle, "wb") as file:
            encode(file)
            file.flush()
            _settled(file)
        if target.exists():
            with suppress(OSError):  # shares and cards may know no rights; the picture is finished all the same
                temporary.chmod(target.stat().st_mode & 0o777)
        temporary.replace(target)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error}); choose another folder") from error
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


def _settled(file: IO[bytes]) -> None:
    """Have the disk hold it; some shares cannot say so, which is no reason to lose a finished file."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _created(target: Path) -> tuple[int, Path]:
    """A new file beside `target`, open for writing, with the rights that this process gives to new files."""
    path = target.with_name(f".{target.name[:32]}.{secrets.token_hex(4)}")
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o666), path


def write_bytes(path: Path, data: bytes) -> None:
    """A small file, whole or not at all. Raises OutputError where it cannot be written."""
    write_atomically(path, lambda file: file.write(data))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody else works in this folder meanwhile; it is made where it is missing, and goes again if nothing came of it.

    The lock, on a hidden file that stays, ends with the process, however that ends. Raises OutputError where another
    one holds it, or the folder cannot be made.
    """
    from filelock import FileLock, Timeout  # slow to import, and a picture needs none

    made, lock = not folder.exists(), FileLock(folder / LOCK)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise OutputError(f"{folder}: another process is working there; wait for it, or name another folder") from error
    except OSError as error:
        raise OutputError(f"{folder}: cannot be used ({error.strerror}); name another folder") from error
    try:
        yield
    finally:
        lock.release()
        if made and [path.name for path in folder.iterdir()] in ([LOCK], []):
            shutil.rmtree(folder, ignore_errors=True)


def check_target(path: Path, taken: tuple[Path, ...], force: bool) -> None:
    """Refuse, before any work, a file that could not or should not be written: `taken` are the other files' names.

    Raises:
        OutputError: as `check_output`, but for the suffix.
    """
    try:
        if not path.parent.is_dir():
            raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first")
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise OutputError(f"{path}: the folder {path.parent} is read-only; choose another folder")
        if path.is_dir():
            raise OutputError(f"{path}: is a folder; give the name of a file")
        if path.exists() and not path.is_file():
            raise OutputError(f"{path}: is not a regular file and cannot be replaced; choose another name")
        place = os.path.realpath(path)
        if any(same_file(path, other) or place == os.path.realpath(other) for other in taken):
            raise OutputError(
                f"{path}: is one of the inputs or another output, and those are never overwritten; choose another name"
            )
        if path.exists() and not force:
            raise OutputError(f"{path}: already exists; choose another name, or have it replaced (force)")
    except (OSError, ValueError) as error:  # the latter for a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path}: cannot be written ({reason}); choose another name") from error


def same_file(one: Path, other: Path) -> bool:
    """Whether two names lead to one existing file, through links too."""
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # the latter for a name that no file can have
        return False
