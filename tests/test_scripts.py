"""Scripts beside the package: what they decide, without what they start."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from helpers import save

from twinshot.bench.results import ModelFacts, Results, Row, SetResults
from twinshot.picture.levels import eight_bit

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "120"}
FAKE = """
import os, sys
with open({log!r}, "a") as log:
    print(os.environ["OMP_NUM_THREADS"], *sys.argv[1:], file=log)
sys.exit(3 if "bad" in sys.argv[2] else 0)
"""


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def saved(triple, folder: Path) -> Path:
    """A set of one case."""
    for kind in ("noisy", "blurry", "sharp"):
        (folder / kind).mkdir(parents=True)
        save(folder / kind / "a.png", eight_bit(getattr(triple, kind)))
    return folder


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Path:
    """A package `twinshot`, on a machine of six cores, whose command only writes down how it was called."""
    log, package = tmp_path / "calls.log", tmp_path / "fake" / "twinshot"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(FAKE.format(log=str(log)))
    (package / "machine.py").write_text("def usable_cores(): return 6")
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    return log


def test_many_recipes_are_trained_and_failures_named(fake, tmp_path):
    arguments = ["a.toml", "bad.toml", "c.toml", "--data", "d", "--runs", str(tmp_path / "runs"), "--at-once", "2"]
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "train_many.py", *arguments], capture_output=True, text=True
    )
    calls = sorted(fake.read_text().splitlines())
    wanted = [f"3 train {name}.toml --data d --runs {tmp_path / 'runs'} --resume" for name in ("a", "bad", "c")]
    assert calls == sorted(wanted)
    assert done.returncode == 1
    assert "failed: bad.toml; see their logs" in done.stderr
    assert (tmp_path / "runs" / "a.log").exists()


@pytest.mark.parametrize(("last", "whole"), [(10_000, True), (500, False), (None, False)])
def test_only_finished_ablations_are_measured(tmp_path, last, whole):
    recipe = ROOT / "recipes" / "ablations" / "no-gan.toml"
    if last:
        (tmp_path / "no-gan").mkdir()
        rows = [{"step": last, "loss": 1.0}, {"step": last, "validation": {}}]
        (tmp_path / "no-gan" / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert script("ablations").finished(recipe, tmp_path) == whole


def test_what_the_ablations_page_says_is_in_what_writes_it():
    module = script("ablations")
    assert (ROOT / "docs" / "ablations.md").read_text("utf-8").startswith(module.HEADER + module.AGED)


def test_the_ablations_table():
    rows = {
        "noisy": Row(psnr=20.0, ssim_paper=0.4, checkerboard=0.1),
        "no-gan": Row(psnr=25.123, ssim_paper=0.75, checkerboard=1.25),
    }
    facts = ModelFacts(
        parameters=1, steps=1000, hours=0.3, samples=8000, crop=96, width=32, loss="50 L1", recipe="no-gan", sha256="0"
    )
    results = Results(sets={"paper": SetResults(sha256="0", pictures=40, systems=rows)}, models={"no-gan": facts})
    recipe = ROOT / "recipes" / "ablations" / "no-gan.toml"
    text = script("ablations").table("paper", results, {"no-gan": recipe})
    assert "| no-gan | No discriminator and no adversarial loss. | 1000 | 0.3 | 25.12 | 0.7500 | 1.25 |" in text
    assert "| noisy | as it comes in |  |  | 20.00 | 0.4000 | 0.10 |" in text


def test_the_demo(tmp_path):
    """`make demo` on a copy of its folder."""
    folder = shutil.copytree(ROOT / "demo", tmp_path / "demo", ignore=shutil.ignore_patterns("*.png"))
    done = subprocess.run([sys.executable, folder / "show.py"], capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (0, "")
    psnr = {line.split("│")[1].strip(): float(line.split("│")[2]) for line in done.stdout.splitlines() if "│" in line}
    assert psnr["twinshot"] > max(psnr["noisy"], psnr["blurry"]) + 3
    for name in ("restored.png", "sheet.png"):
        assert (folder / name).stat().st_size > 100_000


def test_packing_halves_averages_alone():
    import torch

    table = {"net": {"w": torch.ones(2)}, "average": {"w": torch.ones(2), "steps": torch.tensor(3)}, "step": 7}
    packed = script("pack").packed_value(table)
    assert packed["net"]["w"].dtype == torch.float32
    assert packed["average"]["w"].dtype == torch.float16
    assert packed["average"]["steps"].dtype == torch.int64
    assert packed["step"] == 7


@pytest.mark.slow
def test_a_full_size_network_in_a_given_time(tmp_path, monkeypatch, triple):
    """Rehearsed: the GPU's recipe, tiny, on a tiny GOPRO_Large_all; then again, when there is nothing left to train."""
    from skimage import data

    picture = data.astronaut()
    for scene, frames in (("train/GOPR0001_11_00", 22), ("test/GOPR0002_11_00", 11)):
        for number in range(frames):
            path = tmp_path / "all" / scene / f"{number + 1:06d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            save(path, picture[40:136, 100 + 2 * number : 196 + 2 * number])
    text = f"""
        base = "{ROOT / "recipes" / "gpu-merger.toml"}"
        name = "tiny"
        steps = 6
        net = {{settings = {{base_channels = 2, levels = 3}}}}
        data = {{source = "gopro2", profiles = ["paper"], crop = 32, side = 48, batch = 2, reuse = 2, per_shard = 4}}
        discriminator = {{base_channels = 2, levels = 3}}
    """
    (tmp_path / "tiny.toml").write_text(text)
    module, out, folder = script("gpu_paper"), tmp_path / "out", str(tmp_path / "all")
    set_folder = saved(triple, tmp_path / "set")
    arguments = [str(tmp_path / "tiny.toml"), "--data", folder, "--set", str(set_folder), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["gpu_paper.py", *arguments, "--minutes", "30"])
    monkeypatch.setenv("TWINSHOT_WEIGHTS", str(tmp_path))  # put back afterwards
    monkeypatch.setattr(module, "TIMED", 4)
    module.main()
    rows = [json.loads(line) for line in (out / "runs" / "tiny" / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 6
    assert rows[-1]["validation"]["real"] > 0
    first = json.loads((out / "results.json").read_text())["sets"]["set"]["systems"]["tiny"]
    assert first["psnr"] > 0
    module.main()
    assert json.loads((out / "results.json").read_text())["sets"]["set"]["systems"]["tiny"] == first


def test_as_many_steps_as_fit(tmp_path, monkeypatch):
    module = script("gpu_paper")
    recipe = module.load_recipe(ROOT / "recipes" / "gpu-rnn.toml")
    monkeypatch.setattr(module, "prepare_shards", lambda *_: [])
    monkeypatch.setattr(module, "seconds_a_step", lambda *_: 2.0)
    for seconds, steps in ((100.5, 50), (1e6, 20_580), (-5.0, 1)):
        assert module.steps_within(recipe, tmp_path, tmp_path, module.time.monotonic() + seconds) == steps
    with pytest.raises(module.TwinshotError, match="start again, and it goes on"):
        module.until(module.time.monotonic() - 61)({"step": 3})


def test_both_pictures_of_a_deblurring_network_are_measured(tmp_path, triple):
    import torch

    from twinshot.bench.datasets import triples_in
    from twinshot.nets.rnn import DeblurRNN
    from twinshot.picture.levels import psnr

    torch.manual_seed(0)
    net, (case,) = DeblurRNN(base_channels=2, levels=6).eval(), triples_in(saved(triple, tmp_path / "set"))
    shot, truth = case.shot(), case.truth()[:128, :192]
    frames = (frame[:128, :192].transpose(2, 0, 1)[None] for frame in (shot.noisy, shot.registered))
    with torch.no_grad():
        pictures = net.both(*(torch.from_numpy(frame.copy()) for frame in frames))
    expected = [psnr(picture[0].permute(1, 2, 0).numpy(), truth) for picture in pictures]
    assert expected[0] != expected[1]
    assert script("drawing").stages(net, 64, [case]) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_the_gallery_is_what_its_command_makes(tmp_path):
    """Every picture that the pages show is drawn, and the page is the one in docs/."""
    for name in ("demo", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.png", "__pycache__"))
    (tmp_path / "docs").mkdir()
    subprocess.run([sys.executable, tmp_path / "scripts" / "gallery.py"], check=True, env=ENVIRONMENT)
    made = {path.name for path in (tmp_path / "docs" / "images").iterdir()}
    assert made == {path.name for path in (ROOT / "docs" / "images").iterdir()}
    headings = [line for line in (ROOT / "docs" / "gallery.md").read_text("utf-8").splitlines() if line.startswith("#")]
    assert [
        line for line in (tmp_path / "docs" / "gallery.md").read_text("utf-8").splitlines() if line in headings
    ] == headings
