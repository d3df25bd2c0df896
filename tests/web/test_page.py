"""The page in a browser: what a photographer does, and what he is told."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import shutil
import signal
import time
import zipfile
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from helpers import save
from PIL import Image

from twinshot.web.problems import Problem

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="there is no chromium; `make test-web` installs it")
AXE = Path(os.environ.get("TWINSHOT_AXE", ".venv/axe-core/package/axe.min.js"))
QUIET = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
SOON, LATER = 10_000, 90_000  # ms


@pytest.fixture(scope="session")
def browser():
    with playwright.sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, site):
    """Opens the page in a new profile; at the end, nothing may have gone elsewhere and nothing have been complained."""
    contexts, asked, complaints = [], [], []

    def open_(url=site.url, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.complaints = complaints
        page.goto(url)
        _until(page, "document.querySelector('#model').options.length || document.querySelector('dialog').open")
        return page

    yield open_
    for context in contexts:
        context.close()
    foreign = [url for url in asked if not url.startswith(("http://127.0.0.1:", "blob:", "data:"))]
    assert foreign == []
    assert [text for text in complaints if "Failed to load resource" not in text] == []


def _until(page, condition, patience=LATER):
    """Wait for a condition in JavaScript; the browser's own way to wait is what the page's policy forbids."""
    deadline = time.monotonic() + patience / 1000
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def _give(page, *paths):
    page.set_input_files("#files", [str(path) for path in paths])


def _parts_on_the_way(page):
    """Addresses of the parts of pictures that the page has asked for and not got yet, as that changes."""
    asked = set()
    page.on("request", lambda request: asked.add(request.url) if "/preview?" in request.url else None)
    for end in ("requestfinished", "requestfailed"):
        page.on(end, lambda request: asked.discard(request.url))
    return asked


def _all_there(page, on_the_way):
    """Wait for them: the viewer would complain of each that the server no longer brings."""
    page.wait_for_timeout(300)
    while on_the_way:
        page.wait_for_timeout(50)


def _finished(page):
    page.wait_for_selector("#done:not([hidden])", timeout=LATER)


def _drop(page, *paths):
    """What a browser does with files that are dropped."""
    files = [[path.name, base64.b64encode(path.read_bytes()).decode()] for path in paths]
    page.evaluate(
        """async (files) => {
            const transfer = new DataTransfer();
            for (const [name, data] of files) {
                const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
                transfer.items.add(new File([bytes], name));
            }
            for (const kind of ["dragover", "drop"]) {
                const options = {dataTransfer: transfer, bubbles: true, cancelable: true};
                document.body.dispatchEvent(new DragEvent(kind, options));
            }
        }""",
        files,
    )


def test_drop_wait_compare_download(opened, command, pair, tmp_path, monkeypatch, timeless):
    page = opened()
    _drop(page, *pair)
    _finished(page)
    assert page.inner_text("#words").count("\n") >= 2
    assert page.inner_text("#tag-before") == "Long"
    with page.expect_download() as saved:
        page.click("#save-8")
    assert saved.value.suggested_filename == "noisy-restored.png"
    monkeypatch.chdir(pair[0].parent)
    assert command("restore", "noisy.png", "blurry.png", "-o", tmp_path / "out.png").code == 0
    assert timeless(Path(saved.value.path()).read_bytes()) == timeless((tmp_path / "out.png").read_bytes())
    with page.expect_download() as saved:
        page.click("#save-16")
    assert Path(saved.value.path()).read_bytes()[24] == 16
    page.select_option("#format", "jpeg")
    assert page.is_hidden("#save-16")


def test_the_slider_divides_the_pictures(opened, pair):
    page = opened()
    _give(page, *pair)
    _finished(page)
    seen = []
    for value in ("0", "100"):
        page.fill("#divider", value)
        page.wait_for_timeout(200)
        seen.append(_middle(page))
    assert np.abs(seen[0] - seen[1]).mean() > 1
    page.fill("#divider", "50")
    page.wait_for_timeout(500)  # it glides there
    handle, box = page.locator("[slot=handle]").bounding_box(), page.locator("#view").bounding_box()
    page.mouse.move(handle["x"] + 22, handle["y"] + 22)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.8, handle["y"] + 22, steps=5)
    page.mouse.up()
    assert 75 < float(page.input_value("#divider")) < 85


def _middle(page):
    box = page.locator("#view").bounding_box()
    x, y = box["x"] + box["width"] / 2 - 150, box["y"] + box["height"] / 2 - 100
    data = page.screenshot(clip={"x": x, "y": y, "width": 120, "height": 60})
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_zoom_and_pan_are_those_of_both_views(opened):
    page = opened()
    page.click("#example")
    _finished(page)
    for button, shown in (("#full", "100 %"), ("#double", "200 %")):
        page.click(button)
        _until(page, f"document.querySelector('#zoom').textContent === '{shown}'", SOON)
    box = page.locator("#view").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 320, box["y"] + 260, steps=6)
    page.mouse.up()
    page.wait_for_timeout(900)
    where = page.evaluate("Object.values(window.compare.views).map((one) => one.viewport.getBounds(true).toString())")
    assert where[0] == where[1]
    tiles = page.evaluate(
        """performance.getEntriesByType("resource")
            .map((one) => one.name).filter((name) => name.endsWith("shrink=1"))"""
    )
    assert {re.search(r"layer=(\w+)", url)[1] for url in tiles} >= {"long", "result"}
    page.click("#fit")
    _until(page, "parseInt(document.querySelector('#zoom').textContent) < 100", SOON)


@contextmanager
def _held(site, give):
    """Gives photographs, and holds their restoration from when they are read: a quick machine would be done with it."""
    pid, before = site.desk.restorer.pid, set(site.desk.folder.iterdir())
    give()
    while not any("size" in _job(site, folder) for folder in set(site.desk.folder.iterdir()) - before):
        time.sleep(0.005)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _job(site, folder):
    answer = site.client.get(f"/v1/restorations/{folder.name}").json()
    return {key: value for key, value in answer.items() if value is not None}


def test_progress_preview_and_cancel(opened, site, large_pair):
    page = opened()
    with _held(site, lambda: _give(page, *large_pair)):
        page.wait_for_selector("#quick:not([hidden])", timeout=LATER)
        assert page.inner_text("#stage") in ("Reading the photographs", "Matching light and position", "Restoring")
        page.click("#quick")
        _until(page, "document.querySelector('#tag-after').textContent.startsWith('Preview')")
        page.click("#cancel")
        page.wait_for_selector("#start:not([hidden])", timeout=SOON)


def _refused(page, photograph, bad):
    """Give a photograph and a file that is none, and wait until the page says so."""
    bad.write_bytes(b"not a picture")
    _give(page, photograph, bad)
    page.wait_for_selector("#problem:not([hidden])", timeout=LATER)


def test_a_bad_file_is_named(opened, pair, tmp_path):
    page = opened()
    _refused(page, pair[0], tmp_path / "zebra.jpg")
    assert page.inner_text("#problem-detail").startswith("zebra.jpg: ")
    page.click("#restart")
    _give(page, *pair)
    _finished(page)


def test_one_photograph_is_not_enough(opened, pair):
    page = opened()
    _give(page, pair[0])
    page.wait_for_selector("#problem:not([hidden])", timeout=SOON)
    assert page.inner_text("#problem-title") == "Two photographs are needed"


def test_a_burst_is_one_picture(opened, burst):
    page = opened()
    _drop(page, *burst)
    _finished(page)
    assert "The short photographs were merged" in page.inner_text("#words")
    assert page.locator("#long-is option").all_text_contents() == ["a.png", "b.png", "c.png", "none of them"]
    assert (page.input_value("#long-is"), page.is_hidden("#batch")) == ("1", True)
    page.click("#adjust summary")
    page.select_option("#long-is", "none")
    page.click("#again")
    _until(page, "document.querySelector('#words').textContent.includes('There was no long photograph')")
    assert page.is_hidden("#against")
    assert page.inner_text("#tag-before") == "Short"


def test_a_folder_is_sorted_shown_and_restored(opened, holiday):
    page = opened()
    page.set_input_files("#folder", str(holiday))
    page.wait_for_selector("#found:not([hidden])", timeout=LATER)
    assert page.inner_text("#found-title") == "2 pictures from 9 files"
    planned = page.locator("#found-pictures strong").all_inner_texts()
    assert planned == ["1 short.png + 2 long.png", "3a.jpg + 3c.jpg + 3b.jpg"]
    left = dict(
        zip(*(page.locator(f"#left-files {kind}").all_inner_texts() for kind in ("strong", "span")), strict=True)
    )
    assert left.keys() == {"4 alone.png", "5 broken.jpg"}
    assert "no partner" in left["4 alone.png"]
    assert "not an image" in left["5 broken.jpg"]
    page.click("#restore-all")
    _until(page, "document.querySelector('#batch-title').textContent === '2 of 2 pictures done'")
    page.click("#pairs li:nth-child(2) button")
    _until(page, "document.querySelector('#words').textContent.includes('merged')")
    with page.expect_download() as saved:
        page.click("#save-all")
    with zipfile.ZipFile(saved.value.path()) as archive:
        names = archive.namelist()
    assert (names[0], len(names), names[-1][0]) == ("1 short-restored.png", 2, "3")


def test_a_list_of_which_one_picture_is_left_goes(opened, site, holiday):
    page = opened()
    page.set_input_files("#folder", str(holiday))
    page.wait_for_selector("#found:not([hidden])", timeout=LATER)
    with _held(site, lambda: page.click("#restore-all")):
        page.wait_for_selector("#batch:not([hidden])", timeout=SOON)
        page.click("#cancel")
        assert page.is_hidden("#batch")
    _finished(page)


def test_a_preview_that_comes_late_is_not_laid_on_another_picture(opened, holiday):
    page, asked = opened(), []
    page.route(re.compile("layer=quick"), lambda route: asked.append(route))
    page.set_input_files("#folder", str(holiday))
    page.click("#restore-all", timeout=LATER)
    _until(page, "document.querySelector('#batch-title').textContent === '2 of 2 pictures done'")
    page.click("#adjust summary")
    page.click("#try")
    page.click("#pairs li:nth-child(2) button")
    _until(page, "document.querySelector('#words').textContent.includes('merged')")
    asked[0].continue_()
    _until(page, "!document.querySelector('#try').disabled")
    assert page.inner_text("#tag-after") == "Result"


def test_a_preview_that_comes_late_is_not_laid_on_the_next_result(opened, pair):
    page, asked = opened(), []
    page.route(re.compile("layer=quick"), lambda route: asked.append(route))
    _give(page, *pair)
    _finished(page)
    page.click("#adjust summary")
    page.click("#try")
    page.click("#again")
    page.wait_for_selector("#done", state="hidden", timeout=SOON)
    _finished(page)
    asked[0].fulfill(content_type="image/jpeg", body=_jpeg())
    _until(page, "!document.querySelector('#try').disabled")
    assert page.inner_text("#tag-after") == "Result"


_COUNT_URLS = """
    window.urls = new Set();
    const {createObjectURL, revokeObjectURL} = URL;
    URL.createObjectURL = (blob) => { const url = createObjectURL(blob); urls.add(url); return url; };
    URL.revokeObjectURL = (url) => { urls.delete(url); revokeObjectURL(url); };
"""


def _preview(page):
    page.click("#try")
    _until(page, "document.querySelector('#tag-after').textContent.startsWith('Preview')")
    _until(page, "!document.querySelector('#try').disabled")


def test_a_preview_goes_with_the_picture_that_it_lies_on(opened, pair):
    page = opened()
    page.evaluate(_COUNT_URLS)
    _give(page, *pair)
    _finished(page)
    page.click("#adjust summary")
    _preview(page)
    _preview(page)
    assert page.evaluate("urls.size") == 2
    page.click("#again")
    page.wait_for_selector("#done", state="hidden", timeout=SOON)
    _finished(page)
    _until(page, "urls.size === 0", SOON)
    _preview(page)
    page.click("#new")
    _until(page, "urls.size === 0", SOON)


def test_a_preview_that_comes_too_late_is_not_kept(opened, pair):
    page, asked = opened(), []
    page.evaluate(_COUNT_URLS)
    page.route(re.compile("layer=quick"), lambda route: asked.append(route))
    _give(page, *pair)
    _finished(page)
    page.click("#adjust summary")
    page.click("#try")
    page.click("#new")
    asked[0].fulfill(content_type="image/jpeg", body=_jpeg())
    _until(page, "!document.querySelector('#try').disabled")
    assert page.evaluate("urls.size") == 0


def _fails_and_is_seen_to(page, button):
    """Preview twice, in vain at first, and look for what is said of that beside the button."""
    refusal = Problem("worker-failed", "The worker process ended. Try again.")
    preview = re.compile("layer=quick")
    answer = {"status": 502, "content_type": "application/problem+json", "body": json.dumps(refusal.body())}
    page.route(preview, lambda route: route.fulfill(**answer), times=1)
    page.click(button, timeout=LATER)
    page.wait_for_selector(".failed:not([hidden])", timeout=SOON)
    assert page.locator(".failed:visible").all_inner_texts() == [refusal.detail]
    page.route(preview, lambda route: route.fulfill(content_type="image/jpeg", body=_jpeg()), times=1)
    page.click(button)
    _until(page, "document.querySelector('#tag-after').textContent.startsWith('Preview')")
    assert page.locator(".failed:visible").count() == 0


def test_a_preview_that_fails_on_the_way_is_seen_to(opened, site, large_pair):
    page = opened()
    with _held(site, lambda: _give(page, *large_pair)):
        _fails_and_is_seen_to(page, "#quick")
        page.click("#cancel")


def test_a_preview_of_a_result_that_fails_is_seen_to(opened, pair):
    page = opened()
    _give(page, *pair)
    _finished(page)
    page.click("#adjust summary")
    _fails_and_is_seen_to(page, "#try")


def _jpeg():
    preview = io.BytesIO()
    Image.new("RGB", (64, 64)).save(preview, "JPEG")
    return preview.getvalue()


def test_photographs_of_nothing_alike_can_be_merged_all_the_same(opened, pair, photo, tmp_path):
    others = [save(tmp_path / f"{top}.png", photo[top : top + 160, 20:244]) for top in (0, 140)]
    page = opened()
    _give(page, pair[0], *others)
    page.wait_for_selector("#found:not([hidden])", timeout=LATER)
    assert page.inner_text("#found-title") == "No two of these show the same scene"
    assert (page.is_hidden("#restore-all"), page.is_visible("#as-one")) == (True, True)
    page.click("#other-files")
    page.wait_for_selector("#start:not([hidden])", timeout=SOON)


def test_a_result_that_made_room_is_told_of_and_made_again(opened, site, holiday):
    page = opened()
    page.set_input_files("#folder", str(holiday))
    page.click("#restore-all", timeout=LATER)
    _until(page, "document.querySelector('#batch-title').textContent === '2 of 2 pictures done'")
    first = page.get_attribute("#save-8", "href").split("/")[3]
    assert site.client.delete(f"/v1/restorations/{first}").status_code == 204
    page.click("#pairs li:nth-child(1) button")
    page.wait_for_selector("#problem:not([hidden])", timeout=SOON)
    assert page.inner_text("#problem-title") == "This picture was removed"
    page.click("#retry")
    _finished(page)


def test_a_lost_server_is_said(serving, opened, pair):
    site = serving()
    page = opened(site.url)
    site.running.should_exit = True
    page.wait_for_timeout(1500)
    _give(page, *pair)
    page.wait_for_selector("#problem:not([hidden])", timeout=SOON)
    assert page.inner_text("#problem-title") == "The server does not answer"
    assert page.is_visible("#retry")


def test_a_server_that_is_lost_in_the_middle(serving, opened, large_pair):
    site = serving()
    page = opened(site.url)
    on_the_way = _parts_on_the_way(page)
    with _held(site, lambda: _give(page, *large_pair)):
        page.wait_for_selector("#quick:not([hidden])", timeout=LATER)
        _all_there(page, on_the_way)
        site.running.should_exit = True
        page.wait_for_selector("#problem:not([hidden])", timeout=LATER)
    assert "stopped" in page.inner_text("#problem-detail")


def test_changing_something(opened, pair):
    page = opened()
    _give(page, *pair)
    _finished(page)
    page.click("#adjust summary")
    page.select_option("#model", "twin-large")
    page.select_option("#light", "short")
    page.click("#again")
    _until(page, "document.querySelector('#words').textContent.includes('twin-large')")
    assert "colours of the short photograph" in page.inner_text("#words")
    assert "to match the long one" not in page.inner_text("#words")
    assert page.locator("#long-is option").all_inner_texts() == ["blurry.png", "noisy.png", "none of them"]
    page.select_option("#long-is", "1")
    page.click("#again")
    _until(page, "document.querySelector('#warnings').children.length > 0")


def _fail_the_next(site, monkeypatch):
    """Has the next restoration die once it was accepted, as a worker that runs out of memory does."""
    run = site.desk.restorer.run

    async def dies(*arguments):
        monkeypatch.setattr(site.desk.restorer, "run", run)
        raise Problem("worker-failed", "It ran out of memory.")

    monkeypatch.setattr(site.desk.restorer, "run", dies)


def test_what_was_there_before_it_failed_to_be_made_again(opened, site, pair, monkeypatch):
    page = opened()
    _give(page, *pair)
    _finished(page)
    first = page.get_attribute("#save-8", "href").split("/")[3]
    page.click("#adjust summary")
    page.select_option("#model", "twin-large")
    _fail_the_next(site, monkeypatch)
    page.click("#again")
    page.wait_for_selector("#problem:not([hidden])", timeout=LATER)
    page.click("#back")
    _finished(page)
    assert page.get_attribute("#save-8", "href").split("/")[3] == first
    assert "“twin”" in page.inner_text("#words")
    with page.expect_download() as saved:
        page.click("#save-8")
    assert Path(saved.value.path()).stat().st_size > 1000
    page.click("#again")
    _until(page, "document.querySelector('#words').textContent.includes('twin-large')")
    assert site.client.get(f"/v1/restorations/{first}").status_code == 404  # its place was taken


def test_made_again_after_the_server_has_removed_it(opened, site, pair):
    """As after a night; and once more, from what was changed by then."""
    page = opened()
    on_the_way = _parts_on_the_way(page)
    _give(page, *pair)
    _finished(page)
    page.click("#adjust summary")
    as_short = "document.querySelector('#words').textContent.includes('colours of the short photograph')"
    for light, said in (("short", as_short), ("", f"!{as_short}")):
        _all_there(page, on_the_way)
        site.client.delete(f"/v1/restorations/{page.get_attribute('#save-8', 'href').split('/')[3]}")
        page.select_option("#light", light)
        page.click("#again")
        _until(page, said, SOON)


def test_cancelled_while_it_is_made_again(opened, site, large_pair):
    page = opened()
    _give(page, *large_pair)
    _finished(page)
    first = page.get_attribute("#save-8", "href")
    page.click("#adjust summary")
    with _held(site, lambda: page.click("#again")):
        page.click("#cancel")
        _finished(page)
        assert page.get_attribute("#save-8", "href") == first


def test_a_bad_file_alone_leads_to_other_photographs(opened, pair, tmp_path):
    """There is nothing to go back to."""
    page = opened()
    _refused(page, pair[0], tmp_path / "zebra.jpg")
    assert (page.is_hidden("#back"), page.is_visible("#restart")) == (True, True)


@pytest.mark.parametrize(
    ("moved", "said"),
    [(3.42, "nearly all by 3.4 pixels or less."), (17.6, "nearly all by 18 pixels or less."), (0, "")],
)
def test_parts_that_moved_unlike_the_rest_are_told_of(opened, moved, said):
    report = {
        **{"blurry": "long.jpg", "tone": "gain", "gain": [4, 4, 4], "registered": True, "shift": [2, 1]},
        **{"confidence": 0.9, "local_shift": moved, "size": [64, 48], "model": "twin", "seconds": {}},
    }
    told = opened().evaluate(
        "async (report) => (await import('/page/words.js')).sentences(report).map(([text]) => text)", report
    )
    assert any(said and text.endswith(said) for text in told) == bool(said)
    assert any("by different amounts" in text for text in told) == bool(said)


def test_a_files_name_is_shown_as_it_is(opened):
    note = "dsc_1.jpg has 2 pages, of which the first was used"
    swapped = "img_2.jpg was exposed longer, so dsc_1.jpg was taken as the short frame"
    report = {"blurry": "img_2.jpg", "notes": [note], "swapped": swapped, "warnings": ["dsc_1.jpg is too dark."]}
    told = opened().evaluate(
        """async (report) => {
            const words = await import('/page/words.js');
            return [...words.sentences({...report, size: [64, 48]}).map(([text]) => text), ...words.warnings(report)];
        }""",
        report,
    )
    assert {f"{note}.", f"{swapped}.", "dsc_1.jpg is too dark."} <= set(told)


def test_by_keyboard_alone(opened):
    page = opened()
    page.focus("#example")
    page.keyboard.press("Enter")
    _finished(page)
    page.focus("#before-long")
    page.keyboard.press("ArrowLeft")
    assert page.inner_text("#tag-before") == "Short"
    page.focus("#divider")
    page.keyboard.press("Home")
    assert page.input_value("#divider") == "0"
    page.focus("#save-8")
    page.keyboard.press("1")
    _until(page, "document.querySelector('#zoom').textContent === '100 %'", SOON)
    reached = set()
    page.focus("body")
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"fit", "divider", "save-8", "save-16", "format", "new"} <= reached


def test_a_phone(opened, pair):
    page = opened(viewport={"width": 390, "height": 844}, device_scale_factor=2, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    _give(page, *pair)
    _finished(page)
    page.click("#adjust summary")
    page.check("#trust-map")
    page.click("#again")
    page.wait_for_selector("#trust-label:not([hidden])", timeout=LATER)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#bar").bounding_box()["height"] < 2.5 * page.locator("#fit").bounding_box()["height"]
    small = page.evaluate(
        """[...document.querySelectorAll("button, a.button, select")].filter((one) => one.offsetParent)
            .filter((one) => one.getBoundingClientRect().height < 24).map((one) => one.id)"""
    )
    assert small == []


def test_signing_in(serving, opened, pair):
    token = "a long and secret word"
    site = serving(token=token)
    page = opened(site.url)
    page.wait_for_selector("#sign-in[open]", timeout=SOON)
    page.fill("#token", "wrong")
    page.keyboard.press("Enter")
    _until(page, "document.querySelector('#wrong').textContent", SOON)
    page.fill("#token", token)
    page.keyboard.press("Enter")
    page.wait_for_selector("#sign-in:not([open])", state="attached", timeout=SOON)
    _give(page, *pair)
    _finished(page)
    by_link = opened(f"{site.url}/#token={token.replace(' ', '%20')}")
    _until(by_link, "document.querySelector('#model').options.length > 0", SOON)
    assert by_link.url == f"{site.url}/"


@pytest.mark.skipif(not AXE.exists(), reason="there is no axe-core; `make test-web` gets it")
def test_accessibility(opened, holiday, pair):
    page = opened(bypass_csp=True, reduced_motion="reduce")  # colours on their way have less contrast
    page.add_script_tag(path=AXE)

    def faults():
        found = []
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found += page.evaluate("axe.run().then((result) => result.violations)")
        return [(one["id"], [node["html"][:90] for node in one["nodes"]]) for one in found if one["impact"] != "minor"]

    assert faults() == []
    page.set_input_files("#folder", str(holiday))
    page.wait_for_selector("#found:not([hidden])", timeout=LATER)
    assert faults() == []
    page.click("#restore-all")
    _finished(page)
    page.click("#adjust summary")
    assert faults() == []
    page.click("#new")
    _give(page, pair[0])
    page.wait_for_selector("#problem:not([hidden])", timeout=LATER)
    assert faults() == []
