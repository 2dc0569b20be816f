"""What docs/sessions.md shows: its wrappers serve, its clients get what it says they get."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.service import LIMIT_S, ROOT, SOURCES, Service

STYLES = ("generator", "callbacks", "asked", "pool")


def blocks(name: str = "sessions.md") -> list[tuple[str, str]]:
    """Return language and text of each fenced block."""
    text = (ROOT / "docs" / name).read_text("utf-8")
    return re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def of(language: str) -> list[str]:
    return [text for found, text in blocks() if found == language]


*WRAPPERS, CLIENT = of("python")
(COMMAND,) = of("sh")
SAID, EVENTS = of("text")


def test_both_languages_show_the_same() -> None:
    assert blocks("sessions.zh.md") == blocks()
    assert len(WRAPPERS) == len(STYLES)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Service]]:
    running: dict[str, Service] = {}
    with ExitStack() as stack:

        def service(style: str) -> Service:
            if style not in running:
                folder = tmp_path_factory.mktemp(style)
                (folder / "wrapper.py").write_text(WRAPPERS[STYLES.index(style)], "utf-8")
                running[style] = stack.enter_context(Service(folder)).ready()
            return running[style]

        yield service


@pytest.mark.parametrize("style", STYLES)
def test_the_client_gets_the_same_from_each_wrapper(
    style: str, services: Callable[[str], Service]
) -> None:
    url = f"http://127.0.0.1:{services(style).http_port}/v1/svcName"
    for _ in range(5):  # a pool of four threads serves more than four clients, one by one
        assert run(sys.executable, "-c", CLIENT, url) == SAID


def test_the_events_are_as_shown(services: Callable[[str], Service]) -> None:
    port = services("generator").http_port
    shown = run("sh", "-euc", COMMAND.replace(":1888/", f":{port}/"))
    assert without_sid(shown) == without_sid(EVENTS)


def test_the_generator_runs_alone(tmp_path: Path) -> None:
    (tmp_path / "wrapper.py").write_text(WRAPPERS[0], "utf-8")
    assert run(sys.executable, tmp_path / "wrapper.py") == "result: 'HELLO '\n"


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, "PYTHONPATH": SOURCES},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def without_sid(text: str) -> str:
    found, count = re.subn(r"ase[0-9a-f]{8}@local[0-9a-f]{15}[0-9]{2}2", "<sid>", text)
    assert count == 2, text
    return found
