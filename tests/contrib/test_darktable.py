"""darktable's script, run by Lua with a stand-in for darktable that runs commands and remembers what it was told."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LUA = next(filter(None, map(shutil.which, ("lua5.4", "lua5.3", "lua"))), None)
STAND_IN = """
local told, action, folder = {}, nil, arg[1]
package.preload.darktable = function()
  return {
    preferences = {
      register = function(_, name, _, _, _, default) told[name] = default end,
      read = function(_, name) return name == "command" and arg[2] or told[name] end,
    },
    control = {execute = function(command)
      local _, _, code = os.execute(command)
      return code
    end},
    database = {import = function(path)
      print("imported " .. path)
      return {group_with = function(_, other) print("grouped with " .. other.filename) end}
    end},
    gui = {libs = {image = {register_action = function(_, _, callback) action = callback end}}},
    print = print,
  }
end
dofile(arg[3])
local images = {}
for index = 4, #arg do
  images[#images + 1] = {path = folder, filename = arg[index], exif_exposure = 10 / index}
end
action(nil, images)
"""


def run(tmp_path: Path, code: int, *names: str) -> str:
    """What darktable's user reads; a stand-in for twinshot writes down its arguments and the file it is to make."""
    program = tmp_path / "a twinshot"
    lines = ["#!/bin/sh", f'printf "%s\\n" "$@" > "{tmp_path}/said"', f"exit {code}"]
    program.write_text("\n".join(lines))
    program.chmod(0o755)
    (tmp_path / "stand-in.lua").write_text(STAND_IN)
    script = ROOT / "contrib" / "darktable" / "twinshot.lua"
    arguments = [str(LUA), "stand-in.lua", str(tmp_path), str(program), str(script), *names]
    return subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(LUA is None, reason="Lua is not installed")
@pytest.mark.parametrize(("ending", "made", "more"), [("JPG", "tif", ["--bits", "16"]), ("NEF", "dng", [])])
def test_a_pair_is_restored_imported_and_grouped(tmp_path: Path, ending: str, made: str, more: list[str]) -> None:
    """The first of the two has the longer exposure."""
    output = run(tmp_path, 0, f"long one's.{ending}", f"short.{ending}")
    target = tmp_path / f"short-restored.{made}"
    assert f"imported {target}\ngrouped with short.{ending}" in output
    frames = [str(tmp_path / f"{name}.{ending}") for name in ("short", "long one's")]
    assert (tmp_path / "said").read_text().split("\n")[:-1] == ["restore", *frames, "-o", str(target), *more]


@pytest.mark.skipif(LUA is None, reason="Lua is not installed")
def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "b-restored.tif").touch()
    assert f"imported {tmp_path / 'b-restored-2.tif'}" in run(tmp_path, 0, "a.jpg", "b.jpg")


@pytest.mark.skipif(LUA is None, reason="Lua is not installed")
@pytest.mark.parametrize(
    ("code", "names", "says"), [(2, ("a.jpg", "b.jpg"), "nothing was made"), (0, ("a.jpg",), "select")]
)
def test_a_failure_imports_nothing(tmp_path: Path, code: int, names: tuple[str, ...], says: str) -> None:
    output = run(tmp_path, code, *names)
    assert says in output
    assert "imported" not in output
