"""results.json: what is read is written again as it was, and what is something else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from twinshot.bench.results import Results, Row, SetResults, keep_results, open_results, quality_of
from twinshot.picture.pair import TwinshotError

MEASURED = Path(__file__).parents[2] / "docs" / "benchmark"


def test_our_own_results_are_written_as_they_were_read(tmp_path: Path) -> None:
    results = open_results(MEASURED)
    assert all((results.sets, results.models, results.speed, results.reference, results.robustness))
    keep_results(results, tmp_path)
    read, written = (json.loads((folder / "results.json").read_text("utf-8")) for folder in (MEASURED, tmp_path))
    assert written == read


@pytest.mark.parametrize(
    "text", ["no json", "[]", '{"sets": 1}', '{"sets": {"x": []}}', '{"sets": {}, "taste": 1}', "\xff"]
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text, "latin-1")
    with pytest.raises(TwinshotError, match=r"results\.json: does not hold results of a benchmark"):
        open_results(tmp_path)
    assert path.read_text("latin-1") == text


@pytest.mark.parametrize("name", ["report.html", "summary.md"])
def test_a_folder_with_another_report_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(TwinshotError, match=rf"{name}: exists, but there is no results\.json beside it"):
        open_results(tmp_path)


def test_quality_is_that_of_the_same_weights() -> None:
    row = Row(psnr=30.123, ssim_paper=0.87654, version=f"{'a' * 12} of this code")
    other = Row(psnr=30.0, ssim_paper=0.9, version=f"{'0' * 12} of this code")
    rows = {"night": {"small": row}, "day": {"small": other}, "dusk": {"small": Row(error="a reason")}, "dawn": {}}
    sets = {name: SetResults(sha256="0", pictures=1, systems=systems) for name, systems in rows.items()}
    assert quality_of(Results(sets=sets), "small", "a" * 64) == {"night": "30.12 dB / 0.8765"}
