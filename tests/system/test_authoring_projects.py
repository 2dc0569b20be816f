"""`aiges create` and `aiges run`: what is written, and that it runs as written."""

import json
import os
import re
import signal
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from aiges.authoring.addresses import LOOPBACK, free_port
from support.authoring import Serving, aiges, created, environment
from support.service import LIMIT_S, ROOT, SOURCES
from support.waiting import dies_within

KINDS = ("once", "stream", "batch")
TREE = {
    "Dockerfile",
    "README.md",
    "requirements.txt",
    "wrapper/test_data/test.png",
    "wrapper/test_wrapper.py",
    "wrapper/wrapper.py",
}
ANSWERS = {
    "once": "96 pixels wide, 64 high",
    "stream": "A wide picture of 96 by 64 pixels.",
    "batch": "96 by 64 pixels",
}


def tree(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("kind", KINDS)
def test_a_project_is_written_and_named(kind: str, tmp_path: Path) -> None:
    files = tree(created(tmp_path, kind, "cat-7"))
    assert set(files) == TREE
    assert not [path for path, content in files.items() if b"PROJECT_NAME" in content]
    assert b'serviceId = "cat-7"' in files["wrapper/wrapper.py"]
    assert {path.name for path in tmp_path.iterdir()} == {"cat-7"}  # nothing else is left


def test_the_test_picture_is_a_png(tmp_path: Path) -> None:
    data = (created(tmp_path) / "wrapper" / "test_data" / "test.png").read_bytes()
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    rest, pixels, names = data[8:], b"", []
    while rest:
        (size,), name = struct.unpack(">I", rest[:4]), rest[4:8]
        body, (check,) = rest[8 : 8 + size], struct.unpack(">I", rest[8 + size : 12 + size])
        assert check == zlib.crc32(name + body)
        pixels += body if name == b"IDAT" else b""
        names.append(name)
        rest = rest[12 + size :]
    assert (names[0], names[-1]) == (b"IHDR", b"IEND")
    assert len(zlib.decompress(pixels)) == 64 * (1 + 96 * 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inner", ["", "wrapper"], ids=["root", "wrapper"])
def test_a_project_runs_as_created_wherever_it_is_started(
    kind: str, inner: str, tmp_path: Path
) -> None:
    folder = created(tmp_path, kind) / inner
    with Serving(folder).ready() as serving:
        assert f"  http://127.0.0.1:{serving.port}/swagger/index.html" in serving.announced()
        answer = json.loads(serving.example("/v1/private/demo"))
        assert answer["header"]["code"] == 0
        assert answer["payload"]["result"]["text"] == ANSWERS[kind]
        assert serving.stop(signal.SIGINT) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_line_that_is_printed_works(kind: str, tmp_path: Path) -> None:
    with Serving(created(tmp_path, kind)).ready() as serving:
        line = serving.announced()[-1]
        done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=LIMIT_S, check=True)
    assert json.loads(done.stdout)["header"]["code"] == 0


def test_for_a_wrapper_that_only_streams_the_line_asks_for_events(tmp_path: Path) -> None:
    (tmp_path / "wrapper.py").write_bytes((ROOT / "wrappers/stream/wrapper.py").read_bytes())
    with Serving(tmp_path).ready() as serving:
        line = serving.announced()[-1]
        assert "text/event-stream" in line
        done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=LIMIT_S, check=True)
    events = done.stdout.decode().split("\n\n")[:-1]
    assert len(events) > 10
    assert {json.loads(event.removeprefix("data: "))["header"]["code"] for event in events} == {0}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inner", ["", "wrapper"], ids=["root", "wrapper"])
def test_the_tests_that_come_with_a_project_pass(kind: str, inner: str, tmp_path: Path) -> None:
    folder = created(tmp_path, kind) / inner
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": SOURCES, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d passed", done.stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_python_runs_the_wrapper_alone_from_anywhere(kind: str, tmp_path: Path) -> None:
    folder = created(tmp_path, kind)
    subprocess.run(
        [sys.executable, folder / "wrapper" / "wrapper.py"],
        cwd="/",
        env=environment(),
        timeout=LIMIT_S,
        check=True,
    )


def test_nothing_is_overwritten_unasked_and_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    (folder / "notes.txt").write_text("mine, too")
    done = aiges("create", "-n", "demo", folder=tmp_path, status=1)
    assert "demo/README.md" in done.stderr
    assert "--force" in done.stderr
    assert tree(folder) == {"README.md": b"mine", "notes.txt": b"mine, too"}
    aiges("create", "-n", "demo", "--force", folder=tmp_path)
    files = tree(folder)
    assert set(files) == {*TREE, "notes.txt"}
    assert files["notes.txt"] == b"mine, too"
    assert files["README.md"].startswith(b"# demo")


def test_a_file_in_the_place_of_a_folder_is_in_the_way_even_with_force(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "wrapper").write_text("a file")
    done = aiges("create", "-n", "demo", "--force", folder=tmp_path, status=1)
    assert "demo/wrapper" in done.stderr
    assert tree(folder) == {"wrapper": b"a file"}


@pytest.mark.parametrize("name", ["7up", "a b", "", "../x", "naïve", "a" * 65, "a/b"])
def test_a_name_that_cannot_be_one_is_refused(name: str, tmp_path: Path) -> None:
    done = aiges("create", "-n", name, folder=tmp_path, status=1)
    assert "cannot be a project's name: it begins with a letter" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_configuration_of_the_project_is_used(tmp_path: Path) -> None:
    folder = created(tmp_path)
    text = (ROOT / "aiges.toml").read_text()
    (folder / "aiges.toml").write_text(text.replace('level = "info"', 'level = "none"'))
    env = {"AIGES__SVCNAME__PORT": "0", "AIGES__ADMIN__LISTEN": ""}
    with Serving(folder / "wrapper", env=env).ready() as serving:
        assert json.loads(serving.example())["header"]["code"] == 0
        serving.stop()
        assert f"{folder}/aiges.toml" in serving.stdout()
    assert not (folder / "wrapper" / "aiges.toml").exists()


def test_a_busy_port_is_stepped_over_unless_it_was_asked_for(tmp_path: Path) -> None:
    folder = created(tmp_path)
    with Serving(folder).ready() as first:
        busy = str(first.port)
        done = aiges("run", "--port", busy, folder=folder, status=1)
        assert f"cannot listen on 127.0.0.1:{busy}" in done.stderr
        assert free_port(LOOPBACK, first.port) > first.port


def test_the_status_of_the_supervisor_is_passed_on(tmp_path: Path) -> None:
    folder = created(tmp_path)
    (folder / "wrapper" / "wrapper.py").write_text("raise ValueError('no model')\n")
    with Serving(folder) as serving:
        assert serving.wait() == 1
        assert any("ValueError: no model" in line for line in serving.log)


def test_more_workers_may_be_asked_for(tmp_path: Path) -> None:
    with Serving(created(tmp_path), "run", "--workers", "2").ready() as serving:
        serving.wait_for("worker ready worker=2")


def test_nothing_outlives_a_killed_run(tmp_path: Path) -> None:
    with Serving(created(tmp_path)).ready() as serving:
        below = serving.workers()
        assert len(below) >= 3  # supervisor, guard, worker
        serving.process.kill()
        serving.wait()
        assert all(dies_within(pid, LIMIT_S) for pid in below)


def test_a_terminal_that_goes_away_ends_the_service(tmp_path: Path) -> None:
    with Serving(created(tmp_path)).ready() as serving:
        below = serving.workers()
        assert serving.stop(signal.SIGHUP) == 0
        assert all(dies_within(pid, LIMIT_S) for pid in below)


def test_a_file_of_the_project_takes_the_place_of_no_module_of_the_supervisor(
    tmp_path: Path,
) -> None:
    folder = created(tmp_path)
    (folder / "uvloop.py").write_text("raise RuntimeError('the wrong uvloop')\n")
    with Serving(folder).ready() as serving:
        assert json.loads(serving.example())["header"]["code"] == 0


def test_without_a_wrapper_it_says_where_it_looked(tmp_path: Path) -> None:
    done = aiges("run", folder=tmp_path, status=1)
    assert f"{tmp_path}/wrapper.py" in done.stderr
    assert f"{tmp_path}/wrapper/wrapper.py" in done.stderr
    assert "aiges create" in done.stderr
    assert "there is no folder" in aiges("run", "-p", "nowhere", folder=tmp_path, status=1).stderr
