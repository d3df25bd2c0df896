"""Addresses of an object store that answers over HTTP, which workers reach from processes of their own.

The store is moto's server. `pip install 'moto[server]' s3fs` gets what this needs beside the extra.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

MODULES = ("ray", "upath", "pyarrow", "s3fs", "moto")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not all(map(find_spec, MODULES)), reason="needs twinshot[distributed], s3fs and moto"),
]

from helpers import MAIN, Outcome, save, start

from twinshot.files import io


@pytest.fixture
def store(monkeypatch):
    """An empty bucket, where s3fs looks for it; and how to get at it without twinshot."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "RAY_raylet_start_wait_time_s": "300",  # a busy machine takes long
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="night")
    yield client
    server.stop()


def called(*arguments: object) -> Outcome:
    process = start(MAIN, *arguments)
    out, err = process.communicate(timeout=900)
    return Outcome(process.returncode, out, err)


def names_in(store) -> set[str]:
    return {entry["Key"] for entry in store.list_objects_v2(Bucket="night")["Contents"]}


def test_restore_from_a_bucket_into_it(store, command, frames, tmp_path):
    files = [save(tmp_path / name, frame[:80, :96]) for name, frame in zip(("s.png", "l.png"), frames, strict=True)]
    for path in files:
        store.upload_file(str(path), "night", f"in/{path.name}")
    given, out = tmp_path / "pairs.csv", "s3://night/out"
    given.write_text(
        "short,long\ns3://night/in/s.png,s3://night/in/l.png\ns3://night/in/none.png,s3://night/in/l.png\n"
    )
    first = called("restore", "--pairs", given, "-o", out, "--on", "local", "--engine", "onnx")
    assert first.code == 1, first
    assert "1 restored, 0 existed, 0 skipped, 1 failed; s3://night/out/report.parquet has" in first.out
    assert "s3://night/in/none.png: cannot be restored" in first.err
    store.download_file("night", "out/s-restored.png", str(tmp_path / "there.png"))
    assert command("restore", *files, "-o", tmp_path / "here.png", "--engine", "onnx").code == 0
    assert (io.read(tmp_path / "there.png").pixels == io.read(tmp_path / "here.png").pixels).all()
    again = called("restore", "--pairs", given, "-o", out, "--on", "local", "--engine", "onnx")
    assert "0 restored, 1 existed, 0 skipped, 1 failed; " in again.out, again


def test_synthesis_into_a_bucket(store, photos):
    asked = ("--profile", "camera", "--count", 3, "--side", 64, "--on", "local")
    made = called("synth", photos, "-o", "s3://night/set", *asked)
    assert (made.code, "s3://night/set: 3 triples in 1 tar file" in made.out) == (0, True), made
    assert "set/000000.tar" in names_in(store)
