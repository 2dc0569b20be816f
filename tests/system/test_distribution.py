"""The wheel and the sdist: built as a release would be, installed away from the checkout, run."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from support.service import ROOT

LIMIT_S = 300


def run(*command: str | Path, cwd: Path, **env: str) -> str:
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("AIGES_", "PYTHONPATH"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, **env},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(source: Path, out: Path, target: str) -> Path:
    run(sys.executable, "-m", "hatchling", "build", "-t", target, "-d", out, cwd=source)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("sdist"), "sdist")


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that somebody makes who has nothing but the sdist."""
    unpacked = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (source,) = unpacked.iterdir()
    return build(source, tmp_path_factory.mktemp("wheel"), "wheel")


def test_the_wheel_has_what_runs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "aiges",
        "aiges_embed",
        "aiges_loader",
        "aiges_wire",
    }
    for needed in (
        "aiges_wire/pb/aiges_inner_pb2.py",
        "aiges_wire/pb/aiges_inner_pb2_grpc.py",
        "aiges_loader/shipped/aiges.toml",
        "aiges_loader/shipped/digits/digits.onnx",
        "aiges_loader/frontend/console_page/index.html",
        "aiges_loader/frontend/console_page/console.css",
        "aiges_loader/frontend/console_page/main.js",
        "aiges/py.typed",
        "aiges/include/wrapper.h",
        "aiges/authoring/templates/c/wrapper.c",
        "aiges/authoring/templates/c/wrapper.schema.json",
        "aiges/authoring/templates/c/tests/test_wrapper.c",
        "aiges/authoring/templates/common/Dockerfile",
        "aiges/authoring/templates/common/wrapper/test_data/test.png",
        "aiges/authoring/templates/once/wrapper/wrapper.py",
        "aiges/authoring/templates/stream/wrapper/test_wrapper.py",
        "aiges/authoring/templates/batch/wrapper/wrapper.py",
    ):
        assert needed in names
    assert not [name for name in names if "__pycache__" in name or name.endswith(".log")]


def test_an_installed_wheel_runs_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "site"
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", installed)
    run(*pip, wheel, cwd=tmp_path)
    folder = tmp_path / "demo"
    folder.mkdir()
    paths = {"PYTHONPATH": str(installed)}
    where = "import aiges_loader, aiges.sdk, aiges_wire; print(aiges_loader.__file__)"
    assert str(installed) in run(sys.executable, "-c", where, cwd=folder, **paths)
    run(sys.executable, "-m", "aiges_loader", "-init", cwd=folder, **paths)
    assert (folder / "aiges.toml").read_text() == (ROOT / "aiges.toml").read_text()
    run(sys.executable, "-m", "aiges_loader", "-mnist", cwd=folder, **paths)
    assert (folder / "wrapper.py").exists()
    checked = run(sys.executable, "-m", "aiges_loader", "check", cwd=folder, **paths)
    assert "is fine" in checked
    headers = run(sys.executable, "-m", "aiges_loader", "include", cwd=folder, **paths)
    assert Path(headers.rstrip("\n")) == installed / "aiges" / "include"
    assert (installed / "bin" / "aiges-loader").exists()
    assert (installed / "bin" / "AIservice").exists()
    assert (installed / "bin" / "aiges").exists()
    run(sys.executable, "-m", "aiges", "create", "-n", "made", cwd=folder, **paths)
    run(sys.executable, "-m", "aiges", "test", "-p", "made", cwd=folder, **paths)
