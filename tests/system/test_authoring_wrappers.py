"""`aiges test`, `schema`, `call`, `package` and `doctor`, as authors and their CI run them."""

import hashlib
import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.authoring import PROGRAM, Serving, aiges, created, environment
from support.service import LIMIT_S, ROOT

KINDS = ("once", "stream", "batch")


def change(folder: Path, old: str, new: str) -> None:
    source = folder / "wrapper" / "wrapper.py"
    text = source.read_text("utf-8")
    assert old in text
    source.write_text(text.replace(old, new), "utf-8")


def tried(folder: Path, *more: str, status: int = 0) -> dict[str, Any]:
    done = aiges("test", "--json", *more, folder=folder, status=status)
    return dict(json.loads(done.stdout))


# aiges test:


@pytest.mark.parametrize(
    ("kind", "methods"),
    [
        ("once", ["wrapperOnceExec"]),
        ("stream", ["wrapperOnceExec", "wrapperStream"]),
        ("batch", ["wrapperBatchExec"]),
    ],
)
@pytest.mark.parametrize("inner", ["", "wrapper"], ids=["root", "wrapper"])
def test_what_a_wrapper_defines_is_tried(
    kind: str, methods: list[str], inner: str, tmp_path: Path
) -> None:
    report = tried(created(tmp_path, kind) / inner)
    assert report["passed"] is True
    assert [t["method"] for t in report["trials"]] == ["wrapperInit", *methods, "wrapperFini"]
    for trial in report["trials"][1:-1]:
        (output,) = trial["outputs"]
        assert "96" in output["text"]
        assert (output["pieces"] > 1) == (trial["method"] == "wrapperStream")


def test_one_of_two_ways_may_be_asked_for(tmp_path: Path) -> None:
    folder = created(tmp_path, "stream")
    for option, method in (("--once", "wrapperOnceExec"), ("--stream", "wrapperStream")):
        assert tried(folder, option)["trials"][1]["method"] == method
    once = created(tmp_path, "once", "other")
    done = aiges("test", "--stream", folder=once, status=1)
    assert "wrapperStream, wrapperCreate" in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("return 0\n\n    def wrapperOnce", "return 7\n\n    def wrapperOnce", "returned 7"),
        ('key="result", data', 'key="other", data', "'other': not declared"),
        ("data=sentence.format(*size))", "data=sentence, type=2)", "type is image"),
        (
            "return Response([",
            "return [",
            r"loaded:\n  File .*wrapper\.py\", line 4\d\n.*\n.*\nSyntaxError: unmatched",
        ),
        (
            "sentence = self",
            "raise KeyError('x')\n        sentence = self",
            r"  +Traceback.*\n  +File .*wrapper\.py.*\n.*\n  +KeyError: 'x'",
        ),
        ("wrapperFini(self) -> int:", "wrapperFini(self, x) -> int:", "TypeError"),
    ],
)
def test_what_is_wrong_is_said_and_fails(old: str, new: str, problem: str, tmp_path: Path) -> None:
    folder = created(tmp_path)
    change(folder, old, new)
    done = aiges("test", folder=folder, status=1)
    assert re.search(problem, done.stdout + done.stderr)


def test_an_error_code_is_an_answer_for_a_call(tmp_path: Path) -> None:
    folder = created(tmp_path)
    change(folder, "if size is None:", "if size:")
    report = tried(folder)
    assert report["trials"][1]["error_code"] == 101
    assert report["trials"][1]["error_text"] == "img is not a PNG picture"


def test_what_a_wrapper_prints_does_not_spoil_the_json(tmp_path: Path) -> None:
    folder = created(tmp_path)
    noise = "import os; print('noise', flush=True); os.system('echo more noise')"
    change(folder, "self.sentences =", f"{noise}\n        self.sentences =")
    done = aiges("test", "--json", folder=folder)
    assert json.loads(done.stdout)["passed"] is True
    assert "noise" in done.stderr
    assert "more noise" in done.stderr


def test_a_wrapper_that_hangs_is_given_up_with_its_stacks(tmp_path: Path) -> None:
    folder = created(tmp_path)
    change(folder, "self.sentences =", "import time; time.sleep(600)\n        self.sentences =")
    done = aiges("test", "--timeout", "0.5", folder=folder, status=1)
    assert "wrapper.py" in done.stderr
    assert "in wrapperInit" in done.stderr


def test_threads_that_a_wrapper_leaves_do_not_keep_the_test(tmp_path: Path) -> None:
    folder = created(tmp_path)
    thread = "import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()"
    change(folder, "self.sentences =", f"{thread}\n        self.sentences =")
    assert tried(folder)["passed"] is True
    change(folder, "self.sentences =", "raise ValueError(1)\n        self.sentences =")
    assert tried(folder, status=1)["passed"] is False


class Terminal:
    """A process at a real terminal."""

    def __init__(self, *command: str | Path, folder: Path, **env: str) -> None:
        self._end, far = pty.openpty()
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment(**env), stdin=far, stdout=far, stderr=far
        )
        os.close(far)
        self.output = ""

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + LIMIT_S
        while text not in self.output:
            left_s = deadline - time.monotonic()
            assert left_s > 0, self.output
            if select.select([self._end], [], [], left_s)[0]:
                self.output += self._read()

    def _read(self) -> str:
        try:
            data = os.read(self._end, 4096)
        except OSError:  # the process has closed its end
            data = b""
        assert data, self.output
        return data.decode("utf-8", "replace")

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(LIMIT_S)
        os.close(self._end)


@pytest.mark.parametrize("stop", ["breakpoint()", "import pdb; pdb.set_trace()"])
def test_a_breakpoint_in_python_wrapper_py_stops_and_goes_on(stop: str, tmp_path: Path) -> None:
    folder = created(tmp_path)
    change(folder, "sentence = self", f"{stop}\n        sentence = self")
    with Terminal(sys.executable, "wrapper/wrapper.py", folder=folder) as terminal:
        terminal.wait_for("(Pdb) ")
        terminal.type("p 'width is', size[0]\n")
        terminal.wait_for("('width is', 96)")
        terminal.type("c\n")
        terminal.wait_for("wrapperOnceExec works")
        assert terminal.process.wait(LIMIT_S) == 0


def test_colours_are_for_terminals(tmp_path: Path) -> None:
    folder = created(tmp_path)
    with Terminal(*PROGRAM, "test", folder=folder, NO_COLOR="") as terminal:
        terminal.wait_for("\x1b[32m3 of 3 passed")
    assert "\x1b[" not in aiges("test", folder=folder, NO_COLOR="").stdout


# aiges schema:


def test_the_schema_is_what_a_worker_says_and_nothing_else(tmp_path: Path) -> None:
    folder = created(tmp_path)
    change(folder, "HERE =", "print('noise')\nHERE =")
    value = json.loads(aiges("schema", folder=folder).stdout)
    assert value["meta"]["demo"]["input"] == {"img": {"dataType": "image"}}
    assert set(value) >= {"meta", "schemainput", "schemaoutput"}
    legacy = json.loads(aiges("schema", "--legacy", folder=folder).stdout)
    assert legacy["meta"]["routeKey"] == []


# aiges call:


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = created(tmp_path_factory.mktemp("call"), "stream")
    change(
        folder,
        "class UserResponse:",
        'class UserResponse:\n    thumb = ImageBodyField(key="thumb", path="", encoding="png")\n',
    )
    change(
        folder,
        'return answer("".join(',
        'whole = answer(\n            "".join(',
    )
    change(
        folder,
        ".strip())\n",
        ".strip()\n        )\n"
        '        picture = ResponseData(key="thumb", type=2, data=reqData.get("img").data)\n'
        "        return Response([*whole.list, picture])\n",
    )
    with Serving(folder).ready() as serving:
        yield serving


def test_a_call_prints_text_and_saves_the_rest(served: Serving, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{served.port}"
    picture = served.folder / "wrapper" / "test_data" / "test.png"
    done = aiges("call", url, "-f", f"img={picture}", "-o", "out", folder=tmp_path)
    assert done.stdout.splitlines() == [
        "result: A wide picture of 96 by 64 pixels.",
        f"thumb: {picture.stat().st_size} bytes saved in out/thumb.png",
    ]
    assert (tmp_path / "out" / "thumb.png").read_bytes() == picture.read_bytes()


def test_a_stream_is_printed_as_it_comes(served: Serving, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{served.port}"
    picture = served.folder / "wrapper" / "test_data" / "test.png"
    options = ("--stream", "-f", f"img={picture}", "-P", "pause=0")
    done = aiges("call", url, *options, folder=tmp_path)
    assert done.stdout == "A wide picture of 96 by 64 pixels. \n"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["-i", "img=x"], 1, "WrapperError: img is not a PNG picture (code 101)"),
        (["-i", "image=x"], 1, "no input 'image'; it takes: img (image)"),
        ([], 1, "The service takes: img (image)"),
        (["-f", "img=/nowhere"], 1, "/nowhere: No such file"),
        (["-i", "img"], 2, "expected NAME=VALUE, got 'img'"),
    ],
)
def test_a_call_that_cannot_be_made_says_why(
    arguments: list[str], status: int, said: str, served: Serving, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{served.port}"
    done = aiges("call", url, *arguments, folder=tmp_path, status=status)
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_service_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        done = aiges("call", url, "-i", "a=b", folder=tmp_path, status=1)
    assert "UnreachableError" in done.stderr
    assert url in done.stderr


# aiges package:


def unpacked(package: Path, folder: Path) -> Path:
    with tarfile.open(package) as archive:
        archive.extractall(folder, filter="data")
    (root,) = folder.iterdir()
    return root


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_runs_elsewhere(kind: str, tmp_path: Path) -> None:
    folder = created(tmp_path, kind)
    done = aiges("package", folder=folder)
    size = (folder / "demo.tar.gz").stat().st_size
    assert done.stdout.startswith(f"demo.tar.gz: 6 files, {size} bytes\n")
    elsewhere = unpacked(folder / "demo.tar.gz", tmp_path / "elsewhere")
    folder.rename(tmp_path / "gone")
    with Serving(elsewhere).ready() as serving:
        assert json.loads(serving.example())["header"]["code"] == 0


def test_a_package_is_the_same_whenever_it_is_made_and_has_no_litter(tmp_path: Path) -> None:
    folder = created(tmp_path)
    aiges("package", folder=folder)
    first = hashlib.sha256((folder / "demo.tar.gz").read_bytes()).hexdigest()
    for litter in (
        ".git/config",
        "wrapper/__pycache__/wrapper.cpython-311.pyc",
        ".venv/lib/x.py",
        "my-environment/pyvenv.cfg",
        "my-environment/lib/x.py",
        "log/aiges.log",
        "wrapper/run.log",
        "demo.egg-info/PKG-INFO",
        ".pytest_cache/README.md",
    ):
        (folder / litter).parent.mkdir(parents=True, exist_ok=True)
        (folder / litter).write_text("x")
    for path in folder.rglob("*"):
        os.utime(path, (1, 1))
    aiges("package", "-o", "../other.tar.gz", folder=folder / "wrapper")
    other = folder / "other.tar.gz"
    assert hashlib.sha256(other.read_bytes()).hexdigest() == first


def test_a_package_holds_what_links_lead_to(tmp_path: Path) -> None:
    folder = created(tmp_path)
    (tmp_path / "weights.bin").write_bytes(b"weights")
    (folder / "wrapper" / "weights.bin").symlink_to(tmp_path / "weights.bin")
    (folder / "prepare.sh").write_text("#!/bin/sh\n")
    (folder / "prepare.sh").chmod(0o750)
    aiges("package", "-o", tmp_path / "p.tar.gz", folder=folder)
    root = unpacked(tmp_path / "p.tar.gz", tmp_path / "elsewhere")
    assert (root / "wrapper" / "weights.bin").read_bytes() == b"weights"
    assert not (root / "wrapper" / "weights.bin").is_symlink()
    assert os.access(root / "prepare.sh", os.X_OK)


def test_what_would_not_run_elsewhere_is_said(tmp_path: Path) -> None:
    folder = created(tmp_path)
    (folder / "requirements.txt").write_text("numpy\naiges==0.15.0\n")
    assert "names aiges, the SDK of the original" in aiges("package", folder=folder).stderr
    (folder / "requirements.txt").unlink()
    assert "no requirements.txt" in aiges("package", folder=folder).stderr
    (folder / "data").symlink_to(tmp_path)
    assert "link to a folder" in aiges("package", folder=folder, status=1).stderr


# aiges doctor:


def findings(folder: Path, *, status: int = 0, **env: str) -> dict[str, dict[str, str]]:
    done = aiges("doctor", "--json", folder=folder, status=status, **env)
    return {finding["topic"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_nothing_is_wrong_with_a_fresh_project(tmp_path: Path) -> None:
    folder = created(tmp_path)
    found = findings(folder)
    assert {finding["level"] for finding in found.values()} <= {"ok", "warn"}
    assert found["wrapper"]["text"] == f"{folder}/wrapper/wrapper.py"
    assert found["python"]["text"].startswith(sys.version.split()[0])
    assert {"aiges-loader", "grpcio", "protobuf", "protocol", "port 1888", "docker"} <= set(found)
    for line in aiges("doctor", folder=folder).stdout.splitlines()[:-1]:
        assert re.match(r"(ok|warn|error) +\S|      -> ", line), line


def test_a_wrapper_that_cannot_be_imported_is_an_error(tmp_path: Path) -> None:
    folder = created(tmp_path)
    change(folder, "HERE =", "import nowhere_to_be_found\nHERE =")
    wrapper = findings(folder, status=1)["wrapper"]
    assert wrapper["level"] == "error"
    assert "No module named 'nowhere_to_be_found'" in wrapper["text"]
    assert wrapper["advice"]
    assert "error wrapper" in aiges("doctor", folder=folder, status=1).stdout


def test_the_sdk_of_the_original_is_an_error(tmp_path: Path) -> None:
    metadata = tmp_path / "site" / "aiges-0.15.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: aiges\nVersion: 0.15.0\n")
    path = f"{environment()['PYTHONPATH']}{os.pathsep}{metadata.parent}"
    found = findings(tmp_path, status=1, PYTHONPATH=path)["aiges"]
    assert found["level"] == "error"
    assert "0.15.0" in found["text"]
    assert "pip uninstall aiges" in found["advice"]


def test_other_findings_say_what_to_do(tmp_path: Path) -> None:
    folder = created(tmp_path)
    (folder / "grpc").mkdir()
    (folder / "aiges.toml").write_text("[fc]\nmax = 'x'\n")
    found = findings(folder, status=1)
    assert "takes the place" in found["modules"]["text"]
    assert "[fc] max" in found["aiges.toml"]["text"]


def test_help_is_in_the_language_of_the_locale(tmp_path: Path) -> None:
    chinese = {"AIGES_LANG": "", "LANG": "zh_CN.UTF-8"}
    shown = aiges("create", "--help", folder=tmp_path, **chinese).stdout
    assert "用法：" in shown
    for english in ("Usage", "Options", "required", "Show", "OPTIONS"):
        assert english not in shown
    assert "Usage: " in aiges("create", "--help", folder=tmp_path, LANG="zh_CN").stdout
    refused = aiges("creat", folder=tmp_path, status=2, **chinese).stderr
    assert "没有命令 'creat'；是不是 'create'？" in refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["pack"], "did you mean 'package'?"),
        (["run", "--prot", "1"], "there is no option '--prot'; did you mean '--port'?"),
        (["create"], "-n/--name is missing"),
        (["run", "--port", "many"], "--port: "),
    ],
)
def test_a_wrong_command_line_says_what_was_probably_meant(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    done = aiges(*arguments, folder=tmp_path, status=2)
    assert said in done.stderr
    assert "--help" in done.stderr


def test_without_click_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['click'] = None\n")
    path = f"{tmp_path}{os.pathsep}{environment()['PYTHONPATH']}"
    done = aiges("test", folder=tmp_path, status=1, PYTHONPATH=path)
    assert "-m pip install click" in done.stderr


def test_the_samples_pass_their_own_test() -> None:
    for name in ("echo", "stream"):
        report = tried(ROOT / "wrappers" / name)
        assert report["passed"] is True
