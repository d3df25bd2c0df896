"""The command: one folder of results that grows, is taken up again, and says why where something is missing."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from msgspec import structs

from twinshot.bench import benchmark, reference, robustness, speed, systems
from twinshot.bench.results import KnownMotionSample, SpeedRow
from twinshot.bench.run import machine
from twinshot.engines.models import IntegerGraph, Training, manifest


@pytest.fixture
def run(command, folder, tmp_path, monkeypatch):
    """Runs the command on the small set, speed measured by nobody; returns results.json."""
    monkeypatch.setattr(speed, "picture", lambda photographs, folder, seed: folder)
    monkeypatch.setattr(speed, "measure", lambda *_: SpeedRow(seconds=1.0, runs=3, memory_mb=90))

    def call(systems, *arguments):
        result = command("benchmark", "--set", folder, "--systems", systems, "--out", tmp_path / "out", *arguments)
        assert (result.code, result.err) == (0, "")
        call.printed = result.out
        return json.loads((tmp_path / "out" / "results.json").read_text())

    return call


@pytest.fixture
def refused(command, folder, tmp_path):
    """The command ends with code 2 and says something in one line."""

    def call(*arguments, says):
        result = command("benchmark", "--out", tmp_path / "out", *arguments)
        assert result.code == 2
        assert says in result.err
        assert result.err.count("\n") == 1

    return call


def test_quick(run, tmp_path):
    results = run("noisy,twin", "--quick")
    rows = results["sets"]["night (quick)"]["systems"]
    assert list(rows) == ["noisy", "twin"]
    assert rows["twin"]["psnr"] > rows["noisy"]["psnr"]
    assert results["models"]["twin"]["samples"] > 100_000
    assert list(results["speed"]["systems"]) == ["twin"]
    assert "robustness" not in results
    figure = f"{rows['twin']['psnr']:.2f}"
    assert figure in run.printed
    assert figure in (tmp_path / "out" / "summary.md").read_text()
    assert figure in (tmp_path / "out" / "report.html").read_text()


def test_a_training_counts_what_came_before_it():
    net = {"kind": "twin", "settings": {}}
    recipe = {"name": "taught", "net": net, "data": {"batch": 8, "crop": 96}}
    first = {"name": "first", "net": net, "data": {"batch": 64, "crop": 160}}
    between = Training(recipe, 10, 0.5, before=Training(first, 1000, 0.1, "cuda"))
    facts = benchmark.facts_of(structs.replace(manifest()["twin"], training=Training(recipe, 20, 2.0, before=between)))
    assert (facts.steps, facts.samples) == (1030, 64000 + 240)
    assert (facts.hours, facts.gpu_hours) == (2.5, 0.1)
    assert (facts.recipe, facts.crop) == ("first, taught, taught", 96)


def test_integers_are_timed_where_a_model_has_them(monkeypatch):
    monkeypatch.setattr(benchmark, "manifest", lambda: {"with": manifest()["twin"], "without": manifest()["rnn"]})
    monkeypatch.setattr(benchmark, "find_spec", lambda name: name == "torch")
    engines = {name: benchmark.engines_for(name) for name in ("with", "without", "bm3d")}
    assert engines == {"with": ["onnx", "int8", "torch"], "without": ["onnx", "torch"], "bm3d": ["onnx"]}


def test_the_whole_has_speed_and_curves_and_is_taken_up_again(run, monkeypatch):
    monkeypatch.setattr(robustness, "AXES", (replace(robustness.AXES[0], values=(2, 8)),))
    results = run("noisy,hdrplus")
    assert results["speed"]["systems"]["noisy"]["seconds"] == 1
    curve = results["robustness"]["ratio"]
    assert (curve["values"], curve["pictures"]) == ([2, 8], 4)
    assert curve["systems"]["noisy"][0] > curve["systems"]["noisy"][1]
    assert curve["systems"]["hdrplus"] is None
    monkeypatch.setattr(robustness, "pairs_along", lambda *_: pytest.fail("drawn again"))
    monkeypatch.setattr(speed, "measure", lambda *_: pytest.fail("measured again"))
    assert run("noisy,hdrplus") == results
    monkeypatch.undo()


@pytest.mark.parametrize("change", ["seed", "values", "code"])
def test_curves_of_other_conditions_are_drawn_anew(run, monkeypatch, change):
    axis = replace(robustness.AXES[0], values=(2, 8))
    monkeypatch.setattr(robustness, "AXES", (axis,))
    before = run("noisy", "--only", "robustness")["robustness"]["ratio"]["systems"]["noisy"]
    if change == "values":
        monkeypatch.setattr(robustness, "AXES", (replace(axis, values=(4,)),))
    elif change == "code":
        monkeypatch.setattr(benchmark, "key_of", lambda *_, **__: "newer")
        monkeypatch.setattr(robustness, "curve", lambda *_: [1.0, 2.0])
    seed = ("--seed", 5) if change == "seed" else ()
    after = run("noisy", "--only", "robustness", *seed)["robustness"]["ratio"]["systems"]["noisy"]
    assert after != before


def test_speed_is_measured_in_every_engine(run, tmp_path):
    results = run("noisy,twin", "--only", "speed")
    assert list(results["speed"]["systems"]) == ["noisy", "twin", "twin (int8)", "twin (openvino)", "twin (torch)"]
    assert (results["seed"], results["sets"]) == (0, {})
    assert {row["machine"] for row in results["speed"]["systems"].values()} == {machine()}
    assert f", seed 0, {machine()}." in (tmp_path / "out" / "summary.md").read_text()


def test_what_failed_is_tried_again(run, monkeypatch):
    monkeypatch.setattr(speed, "measure", lambda *_: SpeedRow("out of luck"))
    monkeypatch.setattr(robustness, "AXES", (replace(robustness.AXES[0], values=(2,)),))

    def broken(*_):
        raise RuntimeError("no more")

    monkeypatch.setattr(robustness, "curve", broken)
    results = run("noisy")
    assert results["speed"]["systems"]["noisy"] == {"error": "out of luck"}
    assert results["robustness"]["ratio"]["systems"] == {}
    monkeypatch.setattr(speed, "measure", lambda *_: SpeedRow(seconds=2.0, runs=3, memory_mb=90))
    monkeypatch.setattr(robustness, "curve", lambda *_: [20.0])
    results = run("noisy")
    assert results["speed"]["systems"]["noisy"]["seconds"] == 2
    assert results["robustness"]["ratio"]["systems"]["noisy"] == [20]


def test_known_motion(run, monkeypatch):
    monkeypatch.setattr(benchmark, "KNOWN_PAIR", ("twin", "nlm"))
    monkeypatch.setattr(reference, "known_motion", lambda *_: [KnownMotionSample("a", 3.0, 28.0, 30.0, 31.0)])
    assert "reference" not in run("twin", "--only", "reference")
    results = run("twin,nlm", "--only", "reference")
    assert results["reference"]["means"] == {"alone": 28, "pair": 30, "reference": 31}
    assert results["sets"] == {}
    monkeypatch.setattr(reference, "known_motion", lambda *_: pytest.fail("made again"))
    assert run("twin,nlm", "--only", "reference")["reference"] == results["reference"]


def test_names_and_errors_with_brackets_are_printed_as_they_are(run, monkeypatch):
    from twinshot.bench import systems
    from twinshot.bench.systems import Plain

    def broken(shot):
        raise RuntimeError("needs [/red] 'twinshot[bench]'")

    monkeypatch.setitem(systems.CLASSICAL, "odd", Plain("odd", "pair", broken))
    run("odd", "--quick")
    assert "twinshot[bench]" in run.printed


def test_refusals(refused, folder, tmp_path):
    refused("--set", folder, "--only", "taste", says="no part is called 'taste'; choose from quality, reference")
    refused("--systems", "magic", says="no system is called 'magic'")
    refused(
        "--set",
        folder,
        "--quick",
        "--only",
        "robustness",
        says="robustness takes long, so it is not part of",
    )
    refused("--data", tmp_path / "typo", says="typo: no such folder")
    twin = tmp_path / "other" / "night"
    twin.parent.mkdir()
    folder.rename(twin)
    folder.mkdir()
    (folder / "sharp").mkdir()
    refused("--set", folder, "--set", twin, says="another set is also called 'night'")
    named = twin.rename(tmp_path / "other" / "gopro")
    refused("--set", named, says="another set is also called 'gopro'")
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "results.json").write_text("[]")
    refused("--set", named, says="results.json: does not hold results of a benchmark")
    assert (tmp_path / "out" / "results.json").read_text() == "[]"


def test_missing_packages_are_named_at_once(refused, folder, monkeypatch):
    monkeypatch.setattr(benchmark, "find_spec", lambda name: None)
    refused("--set", folder, says="the benchmark needs jinja2; run pip install 'twinshot[bench]'")


@pytest.mark.parametrize(
    ("change", "changed"),
    [
        ({"sha256": "0" * 64}, {"quality", "onnx", "int8"}),
        ({"fallback": "rnn"}, {"quality", "onnx", "int8"}),
        ({"int8": IntegerGraph("x.onnx", "0" * 64, 0.0)}, {"int8"}),
        ({"licence": "another"}, set()),
    ],
)
def test_rows_are_made_anew_when_what_they_run_changes(monkeypatch, change, changed):
    def versions():
        speeds = {engine: benchmark.key_of_speed("twin", engine) for engine in ("onnx", "int8")}
        return {**speeds, "quality": systems.key_of("twin")}

    before, models = versions(), manifest()
    for room in (benchmark, systems):
        monkeypatch.setattr(room, "manifest", lambda: {**models, "twin": structs.replace(models["twin"], **change)})
    after = versions()
    assert {kind for kind in before if after[kind] != before[kind]} == changed
