"""What docs/c-plugins.md shows: its commands run, its code compiles and does what it says."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from support.c_programs import INCLUDE, run
from support.service import LIMIT_S, ROOT, SOURCES, Service

ENV: Mapping[str, str] = {
    "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])),
    "PYTHONPATH": SOURCES,
}
IN_C = {"AIGES_PLUGIN_MODE": "c"}


def blocks(name: str = "c-plugins.md") -> list[tuple[str, str]]:
    """Return language and text of each fenced block."""
    text = (ROOT / "docs" / name).read_text("utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def of(language: str) -> list[str]:
    return [text for found, text in blocks() if found == language]


COMMANDS, BUILD = of("sh")
(LEAST,) = of("c")
(CAREFUL,) = of("cpp")
(DECLARATION,) = of("python")


def sh(command: str, folder: Path) -> str:
    words = [f"{name}={value}" for name, value in ENV.items()]
    return run(["env", *words, "sh", "-ec", command], folder)


def test_both_languages_show_the_same() -> None:
    def without_comments(name: str) -> list[tuple[str, str]]:
        return [(language, re.sub(r"/\*.*?\*/", "", text)) for language, text in blocks(name)]

    assert without_comments("c-plugins.zh.md") == without_comments("c-plugins.md")


def test_the_commands_make_a_service(tmp_path: Path) -> None:
    create, enter, test, serve, call = COMMANDS.splitlines()
    sh(create, tmp_path)
    folder = tmp_path / enter.removeprefix("cd ")
    assert "passed" in sh(test, folder)
    assert serve == "make run"
    started = sh("make --silent --just-print run", folder).strip()
    ports = {
        "AIGES__WRAPPER__HTTP_LISTEN": "127.0.0.1:0",
        "AIGES__SVCNAME__HOST": "127.0.0.1",
        "AIGES__SVCNAME__PORT": "0",
        "AIGES__ADMIN__LISTEN": "127.0.0.1:0",
    }
    with Service(
        folder,
        program=("sh", "-ec"),
        arguments=(f"exec env {started}",),
        env={**ENV, **ports},
        writes_config=False,
    ).ready() as service:
        answered = sh(call.replace(":1888", f":{service.http_port}"), folder)
    assert '"text":"HELLO"' in answered


def test_the_least_plugin_answers(tmp_path: Path) -> None:
    (tmp_path / "wrapper.c").write_text(LEAST, "utf-8")
    sh(BUILD.replace("-Wall", "-Wall -Wextra -Werror"), tmp_path)
    with Service(tmp_path, env=IN_C).ready() as service:
        assert service.once(b"as it came").text() == "as it came"


def test_what_is_thrown_in_careful_cpp_becomes_a_code(tmp_path: Path) -> None:
    throws = """
    #include <stdexcept>
    static int exec(pDataList, pDataList *) { throw std::runtime_error("no model"); }
    int wrapperInit(pConfig) { return 0; }
    int wrapperExecFree(const char *, pDataList *) { return 0; }
    """
    (tmp_path / "wrapper.cpp").write_text(CAREFUL + throws, "utf-8")
    strict = ["-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{INCLUDE}", "-fPIC", "-shared"]
    run(["g++", *strict, "wrapper.cpp", "-o", "libwrapper.so"], tmp_path)
    with Service(tmp_path, env=IN_C).ready() as service:
        assert [service.once().code for _ in range(2)] == [101, 101]
        assert not any("worker died" in line for line in service.log)


def test_the_declaration_becomes_a_description(tmp_path: Path) -> None:
    printed = subprocess.run(
        [sys.executable, "-c", DECLARATION],
        env={**os.environ, **ENV},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    ).stdout
    (tmp_path / "wrapper.c").write_text(LEAST, "utf-8")
    sh(BUILD, tmp_path)
    (tmp_path / "wrapper.schema.json").write_text(printed, "utf-8")
    with Service(tmp_path, env=IN_C).ready() as service:
        service.wait_for("ready routes=/v1/private/shout,/v1/svcName")
        request = json.loads(service.ask("GET", "/test.json").body)
        assert request["parameter"]["shout"]["language"] == "zh"
        answer = service.ask("POST", "/v1/private/shout", json.dumps(request).encode())
        assert (answer.code, answer.text()) == (0, "hello")
