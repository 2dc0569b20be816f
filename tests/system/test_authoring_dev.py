"""`aiges dev`: a save restarts the worker; a broken one says why, the next good one recovers."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.authoring import Serving, aiges, created, environment
from support.service import LIMIT_S, Answer

SLOW = """\
import time
from pathlib import Path
from aiges.dto import Response, ResponseData
from aiges.sdk import StringBodyField, WrapperBase

class Request:
    text = StringBodyField(key="text", value=b"hello")

class Answer:
    result = StringBodyField(key="result")

class Wrapper(WrapperBase):
    serviceId = "slow"
    version = "v1"
    requestCls = Request()
    responseCls = Answer()

    def wrapperInit(self, config):
        return 0

    def wrapperOnceExec(self, params, reqData):
        Path("begun").touch()
        while not Path("go").exists():
            time.sleep(0.01)
        return Response([ResponseData(key="result", data="VERSION 1")])

    def wrapperFini(self):
        return 0
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return created(tmp_path)


@pytest.fixture
def developing(folder: Path) -> Iterator[Serving]:
    with Serving(folder, "dev").ready() as serving:
        yield serving


def save(folder: Path, old: str, new: str) -> None:
    """Change the wrapper as an editor does: another file takes its place."""
    source = folder / "wrapper" / "wrapper.py"
    text = source.read_text("utf-8")
    assert old in text
    (folder / "wrapper" / "wrapper.py.new").write_text(text.replace(old, new), "utf-8")
    (folder / "wrapper" / "wrapper.py.new").replace(source)


def text_of(serving: Serving) -> str:
    return str(json.loads(serving.example())["payload"]["result"]["text"])


def ready_again(serving: Serving, after: int) -> None:
    serving.wait_for("worker ready", after=after)


def test_a_save_brings_the_new_code_to_the_same_port(folder: Path, developing: Serving) -> None:
    for width in ("breit", "large"):
        seen = len(developing.log)
        save(folder, "wide" if width == "breit" else "breit", width)
        ready_again(developing, seen)
        assert text_of(developing) == f"96 pixels {width}, 64 high"


def test_a_broken_save_says_why_and_the_next_good_one_recovers(
    folder: Path, developing: Serving
) -> None:
    for _ in range(7):  # more often than a supervisor would otherwise put up with
        seen = len(developing.log)
        save(folder, "NO_PICTURE = 101", "NO_PICTURE = 101 +")
        developing.wait_for("SyntaxError: invalid syntax", after=seen)
        developing.wait_for("It does not start: SyntaxError: invalid syntax", after=seen)
        refused = developing.ask("POST", "/v1/svcName", b'{"payload": {"img": {"image": ""}}}')
        assert refused.status == 503
        assert "SyntaxError: invalid syntax" in refused.message
        page = developing.ask("GET", "/", headers={"Accept": "text/html"})
        assert page.status == 503
        assert "NO_PICTURE = 101 +" in page.body.decode()
        seen = len(developing.log)
        save(folder, "NO_PICTURE = 101 +", "NO_PICTURE = 101")
        ready_again(developing, seen)
        assert text_of(developing) == "96 pixels wide, 64 high"


def test_a_start_with_a_broken_wrapper_waits_for_a_good_one(folder: Path) -> None:
    save(folder, "class Wrapper(", "class Wrapper(Missing, ")
    with Serving(folder, "dev") as serving:
        serving.wait_for("NameError: name 'Missing' is not defined")
        serving.http_port = serving.port
        page = serving.ask("GET", "/", headers={"Accept": "text/html"})
        assert page.status == 503
        assert "NameError" in page.body.decode()
        save(folder, "class Wrapper(Missing, ", "class Wrapper(")
        serving.ready()
        assert text_of(serving) == "96 pixels wide, 64 high"
        assert any("Ready" in line for line in serving.announced())


def test_a_start_that_hangs_is_given_up_at_the_next_save(folder: Path, developing: Serving) -> None:
    endless = 'while True: __import__("time").sleep(1)'
    for _ in range(8):  # more often than there may be threads that wait
        seen = len(developing.log)
        save(folder, "self.sentences =", f"{endless}\n        self.sentences =")
        developing.wait_for("worker started", after=seen)
    seen = len(developing.log)
    source = folder / "wrapper" / "wrapper.py"
    source.write_text(source.read_text().replace(f"{endless}\n        ", ""))
    ready_again(developing, seen)
    assert text_of(developing) == "96 pixels wide, 64 high"
    developing.announced()
    printed = iter(developing.process.stdout or ())
    said = [next(line for line in printed if b"Ready again" in line)]
    assert developing.stop() == 0
    assert len([*said, *(line for line in printed if b"Ready again" in line)]) == 1  # to one save


def test_a_call_that_is_running_ends_as_it_would_have(tmp_path: Path) -> None:
    source = tmp_path / "wrapper.py"
    source.write_text(SLOW)
    answers: list[Answer] = []
    with Serving(tmp_path, "dev").ready() as serving:
        body = serving.ask("GET", "/test.json").body

        def call() -> None:
            answers.append(serving.ask("POST", "/v1/svcName", body))

        caller = threading.Thread(target=call)
        caller.start()
        while not (tmp_path / "begun").exists():
            assert caller.is_alive()
        seen = len(serving.log)
        source.write_text(SLOW.replace("VERSION 1", "VERSION 2"))
        serving.wait_for("restarting worker=1", after=seen)
        later = threading.Thread(target=call)
        later.start()
        (tmp_path / "go").touch()
        caller.join()
        later.join()
    assert [answer.text() for answer in answers] == ["VERSION 1", "VERSION 2"]


def test_what_a_wrapper_says_of_itself_changes_with_it(folder: Path, developing: Serving) -> None:
    seen = len(developing.log)
    save(folder, 'serviceId = "demo"', 'serviceId = "renamed"')
    ready_again(developing, seen)
    assert json.loads(developing.example("/v1/private/renamed"))["header"]["code"] == 0
    assert "renamed" in developing.ask("GET", "/test.json").json["parameter"]


def test_a_saved_configuration_is_reloaded(folder: Path) -> None:
    config = folder / "aiges.toml"
    aiges_toml = (
        '[svcName]\nhost = "127.0.0.1"\n[log]\nlevel = "none"\n'
        '[fc]\nable = 1\nrouter = "sessionManager"\nmax = 4\n[pool]\nworkers = 1\n'
    )
    config.write_text(aiges_toml)
    with Serving(folder, "dev").ready() as serving:
        config.write_text(aiges_toml.replace("workers = 1", "workers = 2"))
        serving.wait_for("worker ready worker=2")
        seen = len(serving.log)
        config.write_text("[fc]\nmax = 'x'\n")
        serving.wait_for("not reloaded", after=seen)
        assert text_of(serving) == "96 pixels wide, 64 high"


def test_files_that_a_wrapper_writes_restart_nothing(folder: Path, developing: Serving) -> None:
    seen = len(developing.log)
    for name in ("result.json", "wrapper/run.log", ".git/config.py", "__pycache__/x.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    save(folder, "wide", "broad")  # later than all of these
    ready_again(developing, seen)
    assert text_of(developing) == "96 pixels broad, 64 high"
    restarts = [line for line in developing.log if "restarting worker=1" in line]
    assert len(restarts) == 1


def test_without_watchfiles_it_says_what_to_install(folder: Path, tmp_path: Path) -> None:
    hiding = tmp_path / "sitecustomize.py"
    hiding.write_text("import sys\nsys.modules['watchfiles'] = None\n")
    env = {"PYTHONPATH": f"{tmp_path}:{':'.join(path for path in sys.path if path)}"}
    done = aiges("dev", folder=folder, status=1, **env)
    assert "pip install 'aiges-loader[dev]'" in done.stderr


def test_a_library_that_is_built_again_is_loaded_again(tmp_path: Path) -> None:
    done = aiges("create", "-n", "demo", "--lang", "c", folder=tmp_path)
    assert "make test" in done.stdout
    project = tmp_path / "demo"
    refused = aiges("run", folder=project, status=1)
    assert f"{project}/libwrapper.so" in refused.stderr
    build(project)
    env = {"AIGES__SVCNAME__PORT": "0", "AIGES__LOG__LEVEL": "none"}
    with Serving(project, "dev", env=env).ready() as serving:
        assert text_of(serving) == "HELLO"
        seen = len(serving.log)
        source = project / "wrapper.c"
        text = source.read_text("utf-8")
        assert "toupper(asked[i])" in text
        source.write_text(text.replace("toupper(asked[i])", "toupper(asked[i]) + 1"), "utf-8")
        build(project)
        ready_again(serving, seen)
        assert text_of(serving) == "IFMMP"


def build(project: Path) -> None:
    subprocess.run(
        ["make", "--silent"],
        cwd=project,
        env=environment(PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}"),
        timeout=LIMIT_S,
        check=True,
    )
