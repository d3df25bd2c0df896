"""What of the machine this process may use."""

from __future__ import annotations

import os

import cv2
import pytest

from twinshot.machine import opencv_threads, usable_cores


def test_cores_are_those_the_process_may_use(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system pins no processes")
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert usable_cores() == len(allowed)


@pytest.mark.parametrize(("told", "least"), [("1", 1), ("1,4", 1), ("0", 1), ("", 0), ("all", 0), ("9999", 0)])
def test_cores_are_no_more_than_openmp_is_told(monkeypatch, told, least):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = usable_cores()
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    assert usable_cores() == (least or cores)


def test_opencv_gets_its_threads_back():
    before = cv2.getNumThreads()

    @opencv_threads(1)
    def fail():
        assert cv2.getNumThreads() == 1
        raise ValueError("on the way")

    with pytest.raises(ValueError, match="on the way"):
        fail()
    assert cv2.getNumThreads() == before
