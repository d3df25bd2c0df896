"""`import twinshot` and `twinshot --help` are instant: nothing heavy is loaded before it is needed."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers import SRC, Outcome, outcome, start

HEAVY = ("cv2", "onnxruntime", "torch", "PIL")
SHOW = f"; import sys; print('loaded:', *(name for name in {HEAVY!r} if name in sys.modules))"
QUIETLY = """
from twinshot.cli.main import main
try:
    main()
except SystemExit as stop:
    assert not stop.code
"""


@pytest.mark.parametrize("name", ["twinshot", "twinshot.cli.main"])
def test_importing_loads_nothing_heavy(name: str) -> None:
    result = outcome(start(f"import {name}{SHOW}"))
    assert result.out.split() == ["loaded:"], result
    assert result.code == 0


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["restore", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    script = f"{QUIETLY}{SHOW[2:]}"
    result = outcome(start(script, *arguments))
    assert result.code == 0
    assert result.out.splitlines()[-1].split() == ["loaded:"], result


def test_the_check_sees_what_is_loaded() -> None:
    assert outcome(start(f"import twinshot.files.io{SHOW}")).out.split() == ["loaded:", "cv2", "PIL"]


def test_public_names() -> None:
    import twinshot
    from twinshot.engines.loading import Model, load_model
    from twinshot.picture.errors import TwinshotError
    from twinshot.picture.pair import Pair
    from twinshot.restoration import restore
    from twinshot.restored import Restored

    # Also after the modules they live in have been imported.
    assert (twinshot.restore, twinshot.Restored) == (restore, Restored)
    assert (twinshot.load_model, twinshot.Model) == (load_model, Model)
    assert (twinshot.Pair, twinshot.TwinshotError) == (Pair, TwinshotError)
    assert twinshot.Settings(strength=0.7) != twinshot.Settings()
    assert {*twinshot.__all__, "__version__"} <= set(dir(twinshot))
    with pytest.raises(AttributeError, match="no attribute 'sharpen'"):
        twinshot.sharpen  # noqa: B018


def test_types_are_for_users_too() -> None:
    import twinshot

    assert Path(twinshot.__file__).with_name("py.typed").is_file()


def test_torch_is_not_needed_to_restore() -> None:
    block = "import sys; sys.modules['torch'] = None\n"
    names = "restoration, engines.loading, bench.run, bench.report, synth.triples, synth.shards"
    imports = "\n".join(f"import twinshot.{name}" for name in names.split(", "))
    assert outcome(start(block + imports)).code == 0


def test_the_network_is_not_asked_for_anything(tmp_path: Path) -> None:
    """ONNX Runtime tells its maker of the machine, unless it is told not to, and keeps what it will tell at home."""
    home = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(SRC)}
    home.pop("ORT_DISABLE_TELEMETRY", None)
    script = (
        "import numpy as np, os, time, twinshot\n"
        "frames = np.random.default_rng(0).random((2, 64, 64, 3), np.float32)\n"
        "twinshot.restore(*frames)\n"
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
        "time.sleep(1)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env=home)
    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name or "Microsoft" in path.name] == []


@pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")
def test_openvino_tells_nobody_either(tmp_path: Path) -> None:
    """Nor does it keep at home by which number it would tell of the machine."""
    script = (
        "import os, sys\n"
        "os.register_at_fork(before=lambda: print('forked'))\n"
        "import twinshot\n"
        "twinshot.load_model('twin', 'openvino').loaded\n"
        "assert 'openvino.tools.ovc' in sys.modules, 'that is what tells'\n"
        "assert sys.modules['openvino_telemetry'] is None"
    )
    assert outcome(start(script, env_more={"HOME": str(tmp_path)})) == Outcome(0, "", "")
    assert not (tmp_path / "intel").exists()


@pytest.mark.parametrize(("script", "seconds"), [("import twinshot", 0.8), (QUIETLY, 2.0)])
def test_importing_takes_next_to_no_time(script: str, seconds: float) -> None:
    """Of the processor, which other work on the machine does not count in: the least of three."""
    took = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert outcome(start(script, "--help")).code == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) < seconds
