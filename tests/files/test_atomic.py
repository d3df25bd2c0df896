"""Files appear whole or not at all, on disks that know less than others too."""

from __future__ import annotations

import errno
import os

import pytest

from twinshot.files import atomic
from twinshot.picture.pair import TwinshotError


def test_a_place_without_fsync_and_rights_keeps_the_finished_file(tmp_path, monkeypatch):
    """As shares and memory cards may be."""

    def unsupported(*_, **__):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    target = tmp_path / "a.json"
    target.write_bytes(b"before")
    monkeypatch.setattr(atomic.os, "fsync", unsupported)
    monkeypatch.setattr(atomic.Path, "chmod", unsupported)
    atomic.write_bytes(target, b"after")
    assert target.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fails_is_said(tmp_path, monkeypatch, number):
    def fails(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic.os, "fsync", fails)
    with pytest.raises(TwinshotError, match=os.strerror(number)):
        atomic.write_bytes(tmp_path / "a.json", b"x")
    assert list(tmp_path.iterdir()) == []
