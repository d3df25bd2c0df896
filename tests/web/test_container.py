"""The Dockerfile, as far as a machine without an engine for containers can tell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
TOKEN = "a token for the container"


def _list(instruction: str) -> list[str]:
    """The words of an instruction that has them as a JSON list."""
    found = re.search(rf"{instruction}\s+(\[.*\])$", TEXT, re.M)
    assert found, instruction
    words: list[str] = json.loads(found[1])
    return words


def test_it_is_linted():
    tool = shutil.which("hadolint") or Path(sys.executable).with_name("hadolint")
    if not Path(tool).exists():
        pytest.skip("hadolint is not installed")
    result = subprocess.run([tool, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")


def test_it_runs_as_nobody_in_particular():
    last = TEXT[TEXT.rindex("\nFROM ") :]
    assert re.search(r"^USER (?!root|0\b)\w+$", last, re.M)
    assert last.index("USER ") < last.index("ENTRYPOINT ")
    assert "HEALTHCHECK" in last


def test_what_it_copies_is_there_and_not_ignored():
    kept = (ROOT / ".dockerignore").read_text("utf-8").split()
    for name in [*re.findall(r"^COPY (?!--from)(.+) \S+$", TEXT, re.M)[0].split(), "src"]:
        assert (ROOT / name).exists()
        assert f"!{name}" in kept


@pytest.mark.slow
def test_its_steps(tmp_path, pair):
    """The wheel, built of what is copied alone; an environment of its own; the entry point; the health check."""
    source, wheels, home = tmp_path / "source", tmp_path / "wheels", tmp_path / "home"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        source.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", wheels, source], check=True)
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    programs = tmp_path / "venv" / "bin"
    (wheel,) = wheels.iterdir()
    subprocess.run([programs / "python", "-m", "pip", "-q", "install", f"{wheel}[web]"], check=True)
    home.mkdir()
    environment = {"PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(home), "TMPDIR": str(home)}
    entry = _list("ENTRYPOINT")
    refused = subprocess.run(entry, env=environment, capture_output=True, text=True)
    assert (refused.returncode, "TWINSHOT_TOKEN" in refused.stderr) == (2, True)
    running = subprocess.Popen(entry, env={**environment, "TWINSHOT_TOKEN": TOKEN})
    try:
        deadline = time.monotonic() + 60
        while subprocess.run(_list("CMD"), env=environment, stderr=subprocess.DEVNULL).returncode:
            assert time.monotonic() < deadline
            time.sleep(0.3)
        headers = {"Authorization": f"Bearer {TOKEN}"}
        with httpx.Client(base_url="http://127.0.0.1:8765", headers=headers, trust_env=False) as client:
            files = [(name, path.read_bytes()) for name, path in zip(("short", "long"), pair, strict=True)]
            job = client.post("/v1/restorations", files=files).json()
            while job["state"] in ("queued", "running"):
                time.sleep(0.2)
                job = client.get(f"/v1/restorations/{job['id']}").json()
            assert job["state"] == "done", job
    finally:
        running.terminate()
        assert running.wait(20) == 143
    assert {path.name for path in home.iterdir()} <= {".cache"}  # where what was measured of engines is remembered
