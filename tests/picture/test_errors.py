"""Errors in one line."""

from __future__ import annotations

import pytest

from twinshot.picture.errors import InputError, in_words


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("a.jpg: is empty"), "a.jpg: is empty"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (PermissionError(13, "Permission denied", "a.jpg"), "a.jpg: cannot be used (Permission denied)"),
        (MemoryError(), "not enough memory"),
        (IndexError("six"), "twinshot met a bug (IndexError: six); please report it"),
    ],
)
def test_an_error_in_words(error, said):
    assert in_words(error).startswith(said)
