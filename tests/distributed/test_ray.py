"""On Ray itself: one machine, a cluster of two nodes, and workers that are killed."""

from __future__ import annotations

import os
import signal
import time
from importlib.util import find_spec

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(find_spec("ray") is None, reason="needs twinshot[distributed]")]
pq = pytest.importorskip("pyarrow.parquet")

from clusters import started
from helpers import MAIN, Outcome, save, start

from twinshot.files import io


@pytest.fixture(scope="module")
def cluster():
    with started() as found:
        yield found


def ended(process):
    """Ray takes its time to start on a busy machine."""
    out, err = process.communicate(timeout=900)
    return Outcome(process.returncode, out, err)


@pytest.fixture
def pairs(frames, tmp_path):
    """A list of twelve pairs, all alike, and a broken one."""
    for name, frame in zip(("noisy.png", "blurry.png"), frames, strict=True):
        save(tmp_path / name, frame[:80, :96])
    (tmp_path / "broken.png").write_bytes(b"broken")
    lines = [f"noisy.png,blurry.png,out/{index}.png" for index in range(12)]
    (tmp_path / "pairs.csv").write_text("\n".join(["short,long,output", *lines, "broken.png,blurry.png,out/no.png"]))
    return tmp_path / "pairs.csv"


def check(folder):
    """Twelve pictures that are the same, thirteen rows, one of which is a failure."""
    assert sorted(path.name for path in folder.glob("*.png")) == sorted(f"{index}.png" for index in range(12))
    assert len({io.read(path).pixels.tobytes() for path in folder.glob("*.png")}) == 1
    rows = pq.read_table(folder / "report.parquet").to_pylist()
    assert len({row["output"] for row in rows}) == len(rows) == 13
    assert {row["output"] for row in rows if row["result"] != "restored"} == {str(folder / "no.png")}


def test_one_machine(pairs):
    done = ended(start(MAIN, "restore", "--pairs", pairs, "-o", pairs.parent / "out", "--on", "local"))
    assert done.code == 1, done.err
    assert "12 restored, 0 existed, 0 skipped, 1 failed; " in done.out
    check(pairs.parent / "out")


def test_a_worker_is_killed(cluster, pairs):
    out = pairs.parent / "out"
    process = start(MAIN, "restore", "--pairs", pairs, "-o", out, "--on", cluster.address, env_more=cluster.env)
    while len(list(out.glob("*.png"))) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.kill(cluster.workers()[0], signal.SIGKILL)
    done = ended(process)
    assert done.code == 1, done.err
    assert "12 restored, 0 existed, 0 skipped, 1 failed; " in done.out
    check(out)


def test_tar_files_of_one_worker_and_of_two_and_of_killed_ones(cluster, photos, tmp_path):
    """The same bytes."""
    asked = ("synth", photos, "--count", 100, "--side", 64, "--profile", "camera", "-o")
    one = ended(start(PINNED, *asked, tmp_path / "one", "--on", "local"))
    assert one.code == 0, one.err
    process = start(MAIN, *asked, tmp_path / "two", "--on", cluster.address, env_more=cluster.env)
    while not list(tmp_path.glob("two/*.tar")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    os.kill(cluster.workers()[0], signal.SIGKILL)
    two = ended(process)
    assert "100 triples in 4 tar files" in two.out, two
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


PINNED = f"import os; os.sched_setaffinity(0, {{min(os.sched_getaffinity(0))}}); {MAIN}"


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


DEADLY = """
import os, sys
from twinshot.distributed.cluster import connected, mapped

class Work:
    def __init__(self, deadly):
        self.deadly = deadly

    def __call__(self, thing):
        if thing == self.deadly:
            os._exit(1)
        return 10 * thing

with connected(sys.argv[1]):
    print(sorted(mapped(Work, (3,), range(8), 10**8), key=str))
"""


def test_what_kills_every_worker_takes_nothing_with_it(cluster):
    done = ended(start(DEADLY, cluster.address, env_more=cluster.env))
    assert done.code == 0, done.err
    assert "[(0, 0), (1, 10), (2, 20), (3, None), (4, 40), (5, 50), (6, 60), (7, 70)]" in done.out


def test_no_cluster(pairs):
    done = ended(start(MAIN, "restore", "--pairs", pairs, "-o", pairs.parent / "out", "--on", "ray://127.0.0.1:9"))
    assert done.code == 2
    assert "ray://127.0.0.1:9: no Ray cluster answers there" in done.err
