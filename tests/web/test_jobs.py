"""The engine room: what happens when the queue is full, a worker dies, the disk is full, or the server ends."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import httpx
import pytest
from helpers import MAIN, start

from twinshot.files import atomic
from twinshot.web import layers
from twinshot.web.problems import Problem


def _until(met, seconds=20):
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _running(site, job):
    return site.client.get(f"/v1/restorations/{job['id']}").json()["stage"] in ("matching", "restoring")


def test_a_full_queue_says_when_to_come_back(serving, pair, large_pair):
    site = serving(queue=2)
    running = site.send(*large_pair).json()
    _until(lambda: _running(site, running))
    waiting = [site.send(*pair) for _ in range(2)]
    assert [answer.status_code for answer in waiting] == [202, 202]
    assert [site.client.get(answer.headers["location"]).json()["ahead"] for answer in waiting] == [1, 2]
    refused = site.send(*pair)
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:twinshot:problem:queue-full")
    assert 1 <= int(refused.headers["retry-after"]) <= 120
    assert site.client.delete(waiting[0].headers["location"]).status_code == 204
    assert site.send(*pair).status_code == 202


@pytest.fixture
def light_heap():
    """What the tests have imported is not looked through for garbage, which a server of its own would not have."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("light_heap")
def test_nothing_holds_up_other_clients(serving, pair):
    """By the seconds of a core that the server takes between two looks at what else there is, however busy it is."""
    site = serving()
    loop, taken, last = site.desk._tasks[0].get_loop(), [], [0.0]

    def look():
        taken.append(time.thread_time() - last[0])
        last[0] = time.thread_time()
        loop.call_later(0.002, look)

    loop.call_soon_threadsafe(look)
    made = site.ends(site.send(*pair))
    noise = os.urandom(48 << 20)
    files = [("short", ("a.jpg", noise)), ("long", ("b.jpg", noise))]
    assert site.ends(site.client.post("/v1/restorations", files=files))["state"] == "failed"
    for path in (
        f"/v1/restorations/{made['id']}/result",
        f"/v1/archive?id={made['id']}",
        "/metrics",
        "/v1/openapi.json",
    ):
        assert site.client.get(path).status_code == 200
    plan = site.client.post("/v1/plans", json={"names": [f"{place}.jpg" for place in range(1000)]})
    assert len(plan.json()["wanted"]) == 1000
    assert len(taken) > 20
    assert max(taken[1:]) < 0.05


def test_a_killed_worker_fails_its_job_and_is_replaced(serving, pair, large_pair):
    site = serving()
    job = site.send(*large_pair).json()
    waiting = site.send(*pair)
    _until(lambda: _running(site, job))
    killed = site.desk.restorer.pid
    os.kill(killed, signal.SIGKILL)
    *_, last = site.watch(job["id"])
    assert (last["state"], last["problem"]["type"]) == ("failed", "urn:twinshot:problem:worker-failed")
    assert "killed" in last["problem"]["detail"]
    assert site.ends(waiting)["state"] == "done"
    assert site.desk.restorer.pid != killed
    assert "twinshot_worker_starts 2.0" in site.client.get("/metrics").text


def test_a_worker_that_dies_while_it_waits_is_replaced(serving, pair):
    site = serving()
    assert site.ends(site.send(*pair))["state"] == "done"
    os.kill(site.desk.restorer.pid, signal.SIGKILL)
    time.sleep(0.2)
    assert site.ends(site.send(*pair))["state"] == "done"


def test_a_worker_that_cannot_be_started_fails_one_job_alone(serving, pair, monkeypatch):
    site = serving()
    assert site.ends(site.send(*pair))["state"] == "done"
    os.kill(site.desk.restorer.pid, signal.SIGKILL)
    _until(lambda: site.desk.restorer.pid is None)

    async def too_many(*_, **__):
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    with monkeypatch.context() as patch:
        patch.setattr("twinshot.web.process.asyncio.create_subprocess_exec", too_many)
        last = site.ends(site.send(*pair))
    assert last["problem"]["type"] == "urn:twinshot:problem:worker-failed"
    assert "cannot be started (Resource temporarily unavailable)" in last["problem"]["detail"]
    assert site.ends(site.send(*pair))["state"] == "done"


def test_a_job_that_takes_too_long_is_stopped(serving, large_pair, pair):
    site = serving(job_seconds=0.3)  # a quarter of what an idle machine takes
    last = site.ends(site.send(*large_pair))
    assert (last["state"], last["problem"]["detail"]) == ("failed", "It took longer than 0.3 s and was stopped.")


def test_results_go_after_their_time(serving, pair):
    site = serving(keep_seconds=1)
    job = site.ends(site.send(*pair))
    folder = site.desk.folder / job["id"]
    assert folder.is_dir()
    _until(lambda: not folder.exists())
    assert site.client.get(f"/v1/restorations/{job['id']}").status_code == 404


def test_what_goes_while_it_is_used_is_not_found(serving, pair, monkeypatch):
    site = serving()
    job = site.ends(site.send(*pair))
    size = layers.size

    def last_look(folder, name):
        found = size(folder, name)
        shutil.rmtree(folder)
        return found

    monkeypatch.setattr(layers, "size", last_look)
    answer = site.client.get(f"/v1/restorations/{job['id']}/preview")
    assert (answer.status_code, answer.json()["detail"]) == (404, "The files were removed meanwhile. Send them again.")
    assert site.again(job).status_code == 404


def test_the_oldest_results_make_room(serving, pair):
    site = serving(storage_bytes=2_000_000)
    jobs = [site.ends(site.send(*pair)) for _ in range(5)]
    codes = [site.client.get(f"/v1/restorations/{job['id']}").status_code for job in jobs]
    assert (codes[0], codes[-1]) == (404, 200)
    assert sum(path.stat().st_size for path in site.desk.folder.rglob("*") if path.is_file()) < 2_000_000


def test_files_larger_than_the_room_are_refused(serving, pair):
    site = serving(storage_bytes=50_000)
    answer = site.send(*pair)
    assert (answer.status_code, answer.json()["type"]) == (507, "urn:twinshot:problem:storage-full")


def test_a_full_disk_in_mid_upload(serving, pair, monkeypatch):
    site = serving()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("twinshot.web.forms._copy", full)
    answer = site.send(*pair)
    assert (answer.status_code, answer.json()["type"]) == (507, "urn:twinshot:problem:storage-full")
    assert list(site.desk.folder.iterdir()) == []
    monkeypatch.undo()
    assert site.ends(site.send(*pair))["state"] == "done"


def test_a_client_gone_in_mid_upload_leaves_nothing(serving, pair):
    site = serving(queue=1)

    def broken():
        yield b'--x\r\nContent-Disposition: form-data; name="short"; filename="a.png"\r\n\r\n' + bytes(3_000_000)
        raise ConnectionError

    with pytest.raises(ConnectionError):
        site.client.post(
            "/v1/restorations", content=broken(), headers={"Content-Type": "multipart/form-data; boundary=x"}
        )
    _until(lambda: 'method="POST",status="400"' in site.client.get("/metrics").text)
    assert list(site.desk.folder.iterdir()) == []
    assert site.ends(site.send(*pair))["state"] == "done"


def test_the_private_folder(serving, pair):
    site = serving()
    job = site.ends(site.send(*pair))
    folder = site.desk.folder
    assert (folder.stat().st_mode & 0o777, (folder / job["id"]).stat().st_mode & 0o777) == (0o700, 0o700)
    assert {path.suffix for path in (folder / job["id"]).iterdir()} <= {".png", ".npy", ".icc", ".pickle"}
    site.running.should_exit = True
    _until(lambda: not folder.exists())


def test_a_private_folder_that_was_removed_is_told_of(serving, pair):
    """By a system that clears old temporary folders: sending the files again would not help."""
    site = serving()
    shutil.rmtree(site.desk.folder)
    answer = site.send(*pair)
    assert (answer.status_code, "Start the server again" in answer.json()["detail"]) == (507, True)


def test_folders_of_killed_servers_are_cleared(serving, tmp_path):
    """A server that lives is known by its lock, as its number means nothing in another container."""
    left, others = tmp_path / "twinshot-web-left", tmp_path / "twinshot-web-others"
    for folder in (left, others):
        (folder / "files").mkdir(parents=True)
        (folder / ".lock").touch()
    with atomic.locked(others):
        serving(folder=tmp_path)
        assert (left.exists(), others.exists()) == (False, True)


def test_the_folder_of_a_server_that_starts_in_the_same_moment_stays(serving, tmp_path):
    """Its lock is there, but not yet held."""
    starting = tmp_path / "twinshot-web-starting"
    starting.mkdir()
    (starting / ".lock").touch()
    serving(folder=tmp_path)
    assert (starting / ".lock").exists()


def test_a_signal_fails_what_runs_and_says_so(large_pair, pair, tmp_path):
    process = start(MAIN, "serve", "--port", "0", env_more={"TMPDIR": str(tmp_path)})
    url = process.stdout.readline().split()[0]
    states = []
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        files = [(name, path.read_bytes()) for name, path in zip(("short", "long"), large_pair, strict=True)]
        job = client.post("/v1/restorations", files=files).json()
        waiting = client.post("/v1/restorations", files=files).json()

        def follow(job):
            with client.stream("GET", f"/v1/restorations/{job['id']}/events") as stream:
                states.append([line for line in stream.iter_lines() if line.startswith("data")][-1])

        followers = [threading.Thread(target=follow, args=(one,)) for one in (job, waiting)]
        for follower in followers:
            follower.start()
        _until(lambda: client.get(f"/v1/restorations/{job['id']}").json()["stage"] in ("matching", "restoring"))
        process.send_signal(signal.SIGTERM)
        for follower in followers:
            follower.join(10)
    assert process.wait(10) == 143
    assert len(states) == 2
    assert all('"state": "failed"' in state and "The server was stopped" in state for state in states)
    process.communicate()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["queue-full", "storage-full"])
def test_problems_have_the_members_of_the_standard(kind):
    body = Problem(kind, "Wait.").body()
    assert body.keys() == {"type", "title", "status", "detail"}


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0 or not shutil.which("mount"), reason="needs a small disk")
def test_a_disk_that_is_full(serving, pair, large_pair, tmp_path):
    """A real one, of 10 MB, of which a picture's levels take more."""
    small = tmp_path / "small"
    small.mkdir()
    if os.system(f"mount -t tmpfs -o size=10m none {small} 2>/dev/null"):
        pytest.skip("no disk can be mounted")
    try:
        site = serving(folder=Path(small))
        site.desk._fits = lambda size: True  # the reserve is there to keep this from happening
        last = site.ends(site.send(*large_pair))
        assert (last["state"], last["problem"]["type"]) == ("failed", "urn:twinshot:problem:storage-full")
        site.client.delete(f"/v1/restorations/{last['id']}")
        assert site.ends(site.send(*pair))["state"] == "done"
        site.running.should_exit = True
        _until(lambda: not site.desk.folder.exists())
    finally:
        os.system(f"umount {small}")
