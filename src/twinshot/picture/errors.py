"""The one family of errors. A message names the file, says what is wrong with it and what to do."""

from __future__ import annotations


class TwinshotError(Exception):
    """What twinshot says when it cannot do what it was asked for; more than the four below in the laboratory."""


class InputError(TwinshotError):
    """A file or an array cannot be read, or is no picture that can be restored."""


class MismatchError(TwinshotError):
    """The two frames do not go together: sizes, colour profiles, or one frame given twice."""


class ModelError(TwinshotError):
    """There is no such model or engine, its files are not those the manifest lists, or it could not be run."""


class OutputError(TwinshotError):
    """A file cannot be written, or something is in its place."""


def in_words(error: Exception) -> str:
    """One line: the rooms' own words, or else the system's; of what should not have happened, what it was."""
    if isinstance(error, MemoryError):
        return "not enough memory; close other programs, or crop the pictures"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: cannot be used ({error.strerror}); check the path and its permissions"
    if not isinstance(error, TwinshotError | OSError):
        return f"twinshot met a bug ({type(error).__name__}: {error}); please report it"
    return str(error)
