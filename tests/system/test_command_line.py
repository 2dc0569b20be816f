"""aiges-loader as people and scripts call it."""

import json
import os
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from support.service import ROOT, SOURCES, config_text

USAGE = 2


def run(folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {n: v for n, v in os.environ.items() if not n.startswith("AIGES_")}
    return subprocess.run(
        [sys.executable, "-m", "aiges_loader", *arguments],
        cwd=folder,
        env={**kept, "PYTHONPATH": SOURCES, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_no_argument_says_how_to_begin_in_two_languages(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0
    assert "-m=0 -c aiges.toml -s svcName" in done.stdout
    assert "用本地配置文件启动服务" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_the_packages(tmp_path: Path) -> None:
    assert run(tmp_path, "-v").stdout == f"{version('aiges-loader')}\n"


def test_help_lists_the_flags_on_stderr(tmp_path: Path) -> None:
    done = run(tmp_path, "-h")
    assert done.returncode == 0
    assert "-mnist" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["-nonsense"], "flag provided but not defined: -nonsense"),
        (["-m"], "flag needs an argument: -m"),
        (["-c", "aiges.toml"], "-m is missing"),
        (["-m", "1"], "-m 1 is not supported"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_a_wrong_command_line_is_a_usage_error(
    arguments: list[str], reason: str, tmp_path: Path
) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == USAGE
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_init_writes_the_default_once_and_it_is_fine(tmp_path: Path) -> None:
    assert run(tmp_path, "-init").stdout == "Generating default cfg...\n"
    written = tmp_path / "aiges.toml"
    assert written.read_text() == (ROOT / "aiges.toml").read_text()
    written.write_text("mine")
    assert run(tmp_path, "-init").returncode == 0
    assert written.read_text() == "mine"


def test_check_finds_nothing_wrong_with_the_default(tmp_path: Path) -> None:
    run(tmp_path, "-init")
    done = run(tmp_path, "check")
    assert done.returncode == 0
    assert "aiges.toml is fine" in done.stdout
    assert "warning" not in done.stdout


def test_check_says_everything_about_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(
        config_text(pool={"workers": 0, "wrokers": 2}, fc={"max": None})
    )
    done = run(tmp_path, "check", "-c", "bad.toml")
    assert done.returncode == 1
    assert "[pool] workers: expected" in done.stdout
    assert "workers" in done.stdout.split("wrokers")[1]  # did you mean
    assert "[fc] max" in done.stdout
    as_json = json.loads(run(tmp_path, "check", "-c", "bad.toml", "--json").stdout)
    assert {error["where"] for error in as_json["errors"]} == {"[pool] workers", "[fc] max"}
    assert all(error["line"] for error in as_json["errors"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[fc\n", "bad.toml:1"),
        ("[pool]\nworkers = \n", "bad.toml:2"),
        (config_text(pool={"workers": "many"}), "[pool] workers: expected"),
        (config_text(fc={"max": None}), "[fc] max"),
        (config_text(tls={"cert": "x.pem"}), "[tls] cert"),
    ],
)
def test_a_bad_file_does_not_start(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(text)
    done = run(tmp_path, "-m", "0", "-c", "bad.toml")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_named_and_not_made_up(tmp_path: Path) -> None:
    done = run(tmp_path, "-m", "0", "-c", "missing.toml")
    assert done.returncode == 1
    assert "can't open missing.toml" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_plugin_mode_is_refused(tmp_path: Path) -> None:
    (tmp_path / "aiges.toml").write_text(config_text())
    done = run(tmp_path, "-m", "0", AIGES_PLUGIN_MODE="go")
    assert done.returncode == 1
    assert "Not Support This Plugin Mode" in done.stderr


def test_mnist_writes_the_digits_sample_and_overwrites_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "-mnist")
    assert done.returncode == 0
    assert done.stdout.startswith("Generating Mnist Demo Project...\n")
    sample = ROOT / "wrappers" / "digits"
    for path in sample.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (tmp_path / path.relative_to(sample)).read_bytes() == path.read_bytes()
    (tmp_path / "wrapper.py").write_text("mine")
    again = run(tmp_path, "-mnist")
    assert again.returncode == 1
    assert "wrapper.py" in again.stderr
    assert (tmp_path / "wrapper.py").read_text() == "mine"


def test_mnist_in_c_mode_says_which_mode_it_needs(tmp_path: Path) -> None:
    done = run(tmp_path, "-mnist", AIGES_PLUGIN_MODE="c")
    assert done.stdout.splitlines() == [
        "Generating Mnist Demo Project...",
        "Not support this mode. c ",
        "Please use `export AIGES_PLUGIN_MODE=python` ",
    ]
    assert list(tmp_path.iterdir()) == []


def test_closed_standard_streams_do_not_matter(tmp_path: Path) -> None:
    command = {"pythonPluginCmd": "echo what it says; exit 3"}
    (tmp_path / "aiges.toml").write_text(config_text(aiges=command))
    loader = f"exec {shlex.quote(sys.executable)} -m aiges_loader -m 0 -c aiges.toml"
    done = subprocess.run(
        ["bash", "-c", f"{loader} <&- >&- 2>&-"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": SOURCES, "AIGES_PLUGIN_MODE": "python"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    log = (tmp_path / "log" / "aiges.log").read_text()
    assert "no handshake: expected at least 4 fields, got 'what it says'" in log
