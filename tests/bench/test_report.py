"""The report: everything is in it, nothing outside is asked for, and foreign text stays text."""

from __future__ import annotations

import copy
import json
import re
import sys
from html.parser import HTMLParser

import pytest
from helpers import save
from msgspec import convert

from twinshot.bench import report, summary
from twinshot.bench.published import PUBLISHED
from twinshot.bench.report import write_report
from twinshot.bench.results import Results
from twinshot.picture.pair import TwinshotError

VOID = {"meta", "img", "input", "br", "link", "path", "use"}
EVIL = '<script src="x.js">alert(1)</script> & "quoted" | `code`'


class Page(HTMLParser):
    """Tags that match, the words of each table row, and addresses."""

    def __init__(self, text):
        super().__init__()
        self.open, self.rows, self.addresses, self.tags, self.ids = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "xlink:href", "action", "data")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert tag in VOID or self.open.pop() == tag

    def handle_data(self, data):
        if self.open and {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data.strip()

    def row(self, name):
        """The first row that begins with this cell."""
        return next(row for row in self.rows if row and row[0] == name)


def markdown(results):
    return summary.markdown(convert(results, Results))


def row_of(takes, psnr, names, **more):
    cases = [{"name": name, "psnr": psnr, "ssim_paper": 0.9, "seconds": 0.5} for name in names]
    measured = {"ssim_paper": 0.91, "ssim_matlab": 0.92, "ssim_skimage": 0.93, "checkerboard": 0.25, "seconds": 0.5}
    return {"takes": takes, "version": "1", "psnr": psnr, **measured, **more, "cases": cases}


@pytest.fixture
def results():
    names = ["a.png", "b.png"]
    systems = {
        "noisy": row_of("noisy", 40.0, names, seconds=0.0),
        "blurry": row_of("blurry", 25.5, names),
        "bm3d": {"error": "MemoryError: no room"},
        "rnn": row_of("pair", 31.25, names),
        "twin-noisy": row_of("noisy", 31.0, names, checkerboard=-0.01),
        "twin": row_of("pair", 32.5, names, ssim_paper=0.95, ssim_matlab=None, seconds=0.25),
    }
    cases = {name: {"sigma": 0.08, "best_psnr": 40.0, "best_ssim": 0.9, "blur": 12.34} for name in names}
    cases["b.png"] |= {"sigma": 0.1, "blur": None}
    found = {"sha256": "abcdef0123456789", "pictures": 2, "cases": cases, "systems": systems}
    facts = {"parameters": 3817080, "hours": 5.25, "samples": 102400, "sha256": "feed", "recipe": "twin"}
    facts |= {"steps": 12800, "crop": 96, "width": None, "loss": ""}
    speeds = {"rnn": (4.0, 800), "twin": (1.0, 1000)}
    timed = {name: {"seconds": time, "runs": 3, "memory_mb": size} for name, (time, size) in speeds.items()}
    lines = {"rnn": [30.0, None], "twin": [31.0, 29.0], "yuan": None}
    axis = {"unit": "px", "label": "blur length", "values": [0, 5], "pictures": 4, "systems": lines, "versions": {}}
    axis["made"] = {"seed": 7, "photographs": "feed", "code": "feed"}
    return {
        "twinshot": "0.1.0",
        "seed": 7,
        "machine": "a machine",
        "sets": {"mine": found, "gopro2": copy.deepcopy(found)},
        "models": {"twin": facts},
        "speed": {"size": [1280, 720], "systems": {**timed, "bm3d": {"error": "no room either"}}},
        "robustness": {"blur": axis},
    }


@pytest.fixture
def written(tmp_path, photo):
    """Writes results and pictures of `mine`, and gives the report's text."""

    def write(results):
        (tmp_path / "results.json").write_text(json.dumps(results))
        folder = tmp_path / "pictures" / "mine" / "a"
        folder.mkdir(parents=True, exist_ok=True)
        for place, name in enumerate(("noisy", "bm3d", "twin", "sharp", "older")):
            save(folder / f"{name}.png", photo[:24, place : place + 20])
        return write_report(tmp_path).read_text("utf-8")

    return write


def test_every_system_has_its_figures(written, results):
    page = Page(written(results))
    assert page.open == []
    assert page.row("rnn") == ["rnn", "pair", "31.25", "0.9100", "0.9200", "0.9300", "0.25", "0.50"]
    assert page.row("twin") == ["twin", "pair", "32.50", "0.9500", "", "0.9300", "0.25", "0.25"]
    assert page.row("bm3d") == ["bm3d", "", "MemoryError: no room"]
    order = [row[0] for row in page.rows if row]
    assert order[1:7] == list(results["sets"]["mine"]["systems"])


def test_the_best_figures_are_bold_but_never_the_inputs(written, results):
    text = written(results)
    assert "<b>32.50</b>" in text
    assert "<b>-0.01</b>" in text
    assert "<b>40.00</b>" not in text
    assert "<b>0.00</b>" not in text


def test_harm_detail_and_colour(written, results):
    found = results["sets"]["mine"]
    harmed = {"harm_psnr": 0.25, "worst_psnr": 1.5, "harm_ssim": 0.5, "worst_ssim": 0.0123}
    found["systems"]["twin"] |= {"psnr_p5": 27.125, "detail": 33.5, "colour": 0.875, **harmed}
    found["systems"]["registered"] = row_of("pair", 50.0, ["a.png"])
    found["left_out"] = {"night/1.jpg": "too far apart"}
    page = Page(text := written(results))
    figures = ["27.12", "0.9500", "", "0.9300", "33.50", "0.88", "25%", "1.50", "50%", "0.012", "0.25", "0.25"]
    assert page.row("twin") == ["twin", "pair", "32.50", *figures]
    assert "left out, as they could not be registered: 1" in text
    assert "<b>50.00</b>" not in text  # an input, nobody restored it
    assert "| **27.12** | **0.9500** | **33.50** | **0.88** | **25%** | **1.50** | **50%** | **0.012** |" in markdown(
        results
    )


def test_published_figures_stand_beside_ours(written, results):
    page = Page(written(results))
    rows = [row for row in page.rows if row and row[0] == "rnn"]
    assert rows[0][-1] == "0.50"
    assert rows[1] == [*rows[0], "32.53", "0.9561"]
    assert ["deblurgan", "", "not run here", "20.51", "0.7489"] in page.rows
    assert ["deblurgan", "26.63", "0.8798"] in page.rows


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sets_are_shown_once(written, results, name):
    del results["sets"]["gopro2"]
    results["sets"][name] = results["sets"]["mine"]
    figure = f"{PUBLISHED[name]['rnn'].psnr:.2f}"
    assert [figure in row for row in Page(written(results)).rows].count(True) == 1


def test_hours_of_a_gpu_stand_apart(written, results):
    facts = results["models"]["twin"]
    results["models"]["fast"] = {**facts, "hours": None, "gpu_hours": 0.15}
    page = Page(written(results))
    assert ["twin", "3,817,080", "102,400", "96", "5.2", ""] in page.rows
    assert ["fast", "3,817,080", "102,400", "96", "", "0.15"] in page.rows


def test_training_speed_and_gain(written, results):
    page = Page(written(results))
    assert ["twin", "3,817,080", "102,400", "96", "5.2"] in page.rows
    assert ["twin", "twin", "feed"] in page.rows
    assert ["twin", "1.00", "0.25", "1,000", "1.25", "3", ""] in page.rows
    assert ["rnn", "4.00", "1.00", "800", "1.00", "3", "1.1"] in page.rows
    assert ["bm3d", "no room either", ""] in page.rows
    assert ["mine", "+1.50", "+1.50", "100%", "twin over twin-noisy", "2", "3.8 M, 102,400 / ?"] in page.rows


def test_a_networks_own_speed(written, results):
    results["speed"]["systems"]["twin"] |= {"network_seconds": 0.32, "gflops": 372.9, "share": 0.864}
    assert ["twin", "1.00", "0.25", "1,000", "1.25", "3", "0.320", "373", "86%", ""] in Page(written(results)).rows
    assert "| **0.320** | 373 | 86% |" in markdown(results)


def test_curves_are_drawn_and_listed(written, results):
    text = written(results)
    assert text.count("<svg") == 1 + 2  # the plot, and two systems in the legend
    assert "blur length, px</text>" in text
    assert "#010203" not in text
    assert ["rnn", "30.00", ""] in Page(text).rows


def test_a_difficulty_that_nobody_was_tried_on_is_left_out(written, results):
    results["robustness"]["blur"]["systems"] = {"yuan": None}
    assert "Robustness</h2>" not in written(results)


def test_pictures_of_systems_with_figures(written, results):
    page = Page(written(results))
    pictures = [source for source in page.addresses if source.startswith("data:image/webp;base64,")]
    assert len(set(pictures)) == len(pictures) == 3  # noisy, twin and the truth: the others' are an older run's
    assert page.tags.count("select") == 2


def test_pictures_give_way_before_the_page_grows(written, results, monkeypatch):
    large = written(results)
    monkeypatch.setattr(report, "MOST_BYTES", 1)
    assert len(written(results)) < len(large)


def test_nothing_outside_is_asked_for(written, results):
    text = written(results)
    assert not re.search(r"https?:", text)
    assert all(address.startswith(("#", "data:")) for address in Page(text).addresses)
    assert not {"link", "iframe", "object"} & set(Page(text).tags)


def test_names_are_used_once(written, results):
    results["robustness"]["turn"] = {**results["robustness"]["blur"], "label": "turn"}
    page = Page(written(results))
    assert len(set(page.ids)) == len(page.ids)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= set(page.ids)


def test_foreign_text_stays_text(written, results):
    systems = results["sets"]["mine"]["systems"]
    systems["bm3d"]["error"] = systems["rnn"]["takes"] = results["machine"] = EVIL
    systems[EVIL] = row_of("pair", 20.0, ["a.png"])
    results["sets"][EVIL] = results["sets"]["mine"]
    results["models"][EVIL] = {**results["models"]["twin"], "recipe": EVIL, "sha256": EVIL}
    axis = results["robustness"]["blur"]
    axis["label"] = axis["unit"] = f"{EVIL} $x"
    axis["systems"][EVIL] = [20.0, 21.0]
    text = written(results)
    page = Page(text)
    assert page.open == []
    assert page.tags.count("script") == 1
    assert page.row("bm3d")[2] == EVIL
    assert "x.js" not in page.addresses


def test_the_same_input_gives_the_same_bytes(written, results):
    assert written(results) == written(results)


def test_parts_that_were_not_run(tmp_path, results):
    for part in ("models", "speed", "robustness"):
        del results[part]
    (tmp_path / "results.json").write_text(json.dumps(results))
    text = write_report(tmp_path).read_text("utf-8")
    assert Page(text).open == []
    for title in ("Robustness</h2>", "Speed and memory</h2>", "Training of the networks</h2>", "Pictures</h2>"):
        assert title not in text


def test_every_system_is_described_by_who_made_it(written, results):
    results["models"]["twin"] |= {"about": "a network of ours", "source": "<here>"}
    text = written(results)
    assert "a network of ours" in text
    assert "&lt;here&gt;" in text
    assert "BM3D in its colour form" in text


def test_a_koehler_row_leaves_columns_out(written, results):
    case = {"name": "1_1", "psnr": 29.0, "ssim_matlab": 0.8, "seconds": 0.1}
    row = {"takes": "pair", "version": "1", **{key: case[key] for key in case if key != "name"}, "cases": [case]}
    systems, facts = {"twin": row}, {"1_1": {"sigma": 0.1, "best_psnr": 28.0, "best_ssim": 0.8}}
    results["sets"] = {"koehler": {"sha256": "0", "pictures": 1, "cases": facts, "systems": systems}}
    page = Page(written(results))
    assert page.row("twin") == ["twin", "pair", "29.00", "0.8000", "0.10", "", ""]
    assert "SSIM paper" not in page.row("system")


def test_nothing_run_at_all(tmp_path):
    (tmp_path / "results.json").write_text('{"sets": {}}')
    text = write_report(tmp_path).read_text("utf-8")
    assert Page(text).open == []
    assert "No set was run" in text


def test_no_results(tmp_path):
    with pytest.raises(TwinshotError, match="twinshot benchmark"):
        write_report(tmp_path)


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_missing_packages_are_named(written, results, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(TwinshotError, match=r"pip install 'twinshot\[bench\]'"):
        written(results)


def test_a_damaged_picture_is_named(written, results, tmp_path):
    written(results)
    (tmp_path / "pictures" / "mine" / "a" / "sharp.png").write_bytes(b"")
    with pytest.raises(TwinshotError, match=r"sharp\.png: the file is empty"):
        write_report(tmp_path)


def test_markdown(results):
    text = markdown(results)
    assert "| rnn | pair | 31.25 | 0.9100 | 0.25 | 0.50 |" in text
    assert "| twin | pair | **32.50** | **0.9500** | 0.25 | **0.25** |" in text
    assert "| bm3d |  | MemoryError: no room |  |  |  |" in text
    assert "| twin | **1.00** | 0.25 | 1,000 | 1.25 | 3 |" in text
    assert "| mine | twin over twin-noisy | 3.8 M, 102,400 / ? | 2 | +1.50 | +1.50 | 100% |  |  |" in text
    assert "32.53" not in text


def test_markdown_of_foreign_text(results):
    results["sets"]["mine"]["systems"]["bm3d"]["error"] = f"one\n{EVIL}"
    row = next(line for line in markdown(results).splitlines() if line.startswith("| bm3d"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 7
    assert r"\<script src=" in row


def test_markdown_of_nothing():
    assert markdown({"sets": {}}).startswith("# Benchmark\n")
