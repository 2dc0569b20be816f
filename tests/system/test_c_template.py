"""The project that C plugins begin with: it builds, passes its test, and serves, as it is."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.c_programs import run
from support.service import SOURCES, Service

NAME = "my-plugin"
ENV: Mapping[str, str] = {
    "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    "PYTHONPATH": SOURCES,
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    sh(f"{sys.executable} -m aiges create -n {NAME} --lang c", tmp_path)
    return tmp_path / NAME


def sh(command: str, folder: Path) -> str:
    return run(
        ["env", *(f"{name}={value}" for name, value in ENV.items()), *command.split()], folder
    )


def commands(project: Path) -> list[list[str]]:
    """Return the commands of each block of its README, without their comments."""
    text = (project / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [[line.partition("#")[0].strip() for line in block.splitlines()] for block in blocks]


def test_the_commands_of_its_readme_build_it_test_it_and_serve_it(project: Path) -> None:
    (install, build, test, serve, call), _ = commands(project)
    assert install == "pip install -r requirements.txt"
    assert (project / "requirements.txt").read_text() == "aiges-loader[c]\n"
    assert (build, test, serve) == ("make", "make test", "make run")
    sh(build, project)
    assert "passed" in sh(test, project)
    ports = {
        "AIGES__WRAPPER__HTTP_LISTEN": "127.0.0.1:0",
        "AIGES__SVCNAME__HOST": "127.0.0.1",
        "AIGES__SVCNAME__PORT": "0",
        "AIGES__ADMIN__LISTEN": "127.0.0.1:0",
    }
    # What `make run` runs, without a make that would stand between us and its signals.
    started = sh("make --silent --just-print run", project).strip()
    with Service(
        project,
        program=("sh", "-ec"),
        arguments=(f"exec env {started}",),
        env={**ENV, **ports},
        writes_config=False,
    ).ready() as service:
        route = f"/v1/private/{NAME}"
        service.wait_for(f"ready routes={route},/v1/svcName")
        here = call.replace("127.0.0.1:1888", f"127.0.0.1:{service.http_port}")
        answered = run(["sh", "-ec", here], project)
        assert '"text":"HELLO"' in answered
        assert service.once(route=route).text() == "HELLO"
        assert service.stop() == 0


def test_cmake_builds_the_same(project: Path) -> None:
    _, (line,) = commands(project)
    configure, build, test = line.split(" && ")
    for command in (configure, build, test):
        sh(command, project)
    assert (project / "libwrapper.so").is_file()
    symbols = run(["nm", "--dynamic", "--defined-only", "--format=posix", "libwrapper.so"], project)
    assert sum(line.startswith("wrapper") for line in symbols.splitlines()) == 15
    assert "passed" in run(["build/test_wrapper"], project)


def test_its_configuration_is_fine(project: Path) -> None:
    assert sh("aiges-loader check -c aiges.toml", project) == "aiges.toml is fine\n"


def test_a_build_without_aiges_loader_says_what_to_do(project: Path) -> None:
    with pytest.raises(AssertionError, match=r"put aiges-loader on PATH \(pip install -r"):
        run(["env", "PATH=/usr/bin:/bin", "make"], project)


def test_the_image_is_made_of_files_that_are_there(project: Path) -> None:
    sh("make", project)
    dockerfile = (project / "Dockerfile").read_text("utf-8")
    (copied,) = re.findall(r"^COPY --from=build --chown=\d+ (.*) \./$", dockerfile, re.MULTILINE)
    names = [path.removeprefix("/srv/aiges/") for path in copied.split()]
    assert [name for name in names if not (project / name).is_file()] == []
    (started,) = re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
    assert started == '["aiges-loader", "-m", "0", "-c", "aiges.toml", "-s", "svcName"]'
