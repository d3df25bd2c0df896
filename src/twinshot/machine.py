"""The machine: what of it this process may use."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def usable_cores() -> int:
    """Cores this process may use, which can be fewer than the machine has; OMP_NUM_THREADS limits them further.

    Ray sets that variable to the cores a worker was promised.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # one number a level of nesting
    return min(cores, max(1, int(asked))) if asked.isdecimal() else cores


def has_cuda_driver() -> bool:
    """Whether NVIDIA's driver is installed, without which nothing else of CUDA need be asked."""
    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


@contextmanager
def opencv_threads(count: int) -> Iterator[None]:
    """OpenCV on so many threads meanwhile; the number is the whole process's, and put back afterwards."""
    import cv2

    before = cv2.getNumThreads()
    cv2.setNumThreads(count)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def processor() -> str:
    """Its name, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text("utf-8").splitlines() if cpuinfo.is_file() else []
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
