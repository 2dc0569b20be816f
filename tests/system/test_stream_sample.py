"""The sample that streams: run alone, over WebSocket, and as events."""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.service import LIMIT_S, ROOT, SOURCES, Service, config_text

SAMPLE = ROOT / "wrappers" / "stream"
ROUTE = "/v1/private/stream"
TEXT = "Every word is a result of its own. 每个字都是一个结果。"
PIECES = [*("Every ", "word ", "is ", "a ", "result ", "of ", "its ", "own. "), *TEXT[-10:]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("config")
    (folder / "aiges.toml").write_text(config_text())
    arguments = ("-m", "0", "-c", str(folder / "aiges.toml"), "-s", "svcName")
    env = {"AIGES__LOG__FILE": str(folder / "log"), "PYTHONDONTWRITEBYTECODE": "1"}
    with Service(SAMPLE, arguments=arguments, env=env, writes_config=False).ready() as running:
        yield running


def test_it_runs_without_a_server() -> None:
    done = subprocess.run(
        [sys.executable, "wrapper.py"],
        cwd=SAMPLE,
        env={**os.environ, "PYTHONPATH": SOURCES, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=True,
    )
    assert done.stdout.splitlines() == [f"result: {piece!r}" for piece in PIECES]


async def test_the_callbacks_that_it_describes_do_the_same(tmp_path: Path) -> None:
    source = (SAMPLE / "wrapper.py").read_text("utf-8")
    described = source.split('"""')[1].partition("\n\n    def ")
    methods = "    def " + described[2]
    generator = re.search(r"    def wrapperStream\(.*?(?=    def )", source, re.DOTALL)
    assert generator is not None
    imports = (
        "import threading\n"
        "from aiges.core.types import DataContinue, DataEnd\n"
        "from aiges.dto import SessionCreateResponse, callback\n"
    )
    changed = source.replace(generator[0], methods + "\n").replace(
        "import re\n", f"import re\n{imports}", 1
    )
    (tmp_path / "wrapper.py").write_text(changed, "utf-8")
    with Service(tmp_path).ready() as running:
        frames = await frames_of(running)
    assert [text_of(frame) for frame in frames] == [*PIECES, ""]
    assert [frame["header"]["status"] for frame in frames] == [*[1] * len(PIECES), 2]


def text_of(frame: dict[str, Any]) -> str:
    return base64.b64decode(frame["payload"]["result"]["text"]).decode()


def texts(frames: list[dict[str, Any]]) -> list[str]:
    results = [frame["payload"]["result"] for frame in frames]
    assert [int(entry["seq"]) for entry in results] == list(range(1, len(frames) + 1))
    statuses = [int(entry["status"]) for entry in results]
    assert statuses == [0, *[1] * (len(frames) - 2), 2]
    return [text_of(frame) for frame in frames]


async def test_its_example_request_as_the_only_frame_gets_the_whole_stream(
    service: Service,
) -> None:
    assert texts(await frames_of(service)) == [*PIECES, ""]


async def frames_of(service: Service) -> list[dict[str, Any]]:
    """Send the example request as the only frame; return all frames but the acknowledgement."""
    frames: list[dict[str, Any]] = []
    url = f"http://127.0.0.1:{service.http_port}{ROUTE}"
    async with aiohttp.ClientSession() as client, client.ws_connect(url) as socket:
        await socket.send_str(service.ask("GET", "/test.json").body.decode())
        acknowledged = await socket.receive_json(timeout=LIMIT_S)
        assert "payload" not in acknowledged
        while not frames or frames[-1]["header"]["status"] != 2:
            frames.append(await socket.receive_json(timeout=LIMIT_S))
    return frames


def test_its_example_request_gets_the_same_as_events(service: Service) -> None:
    body = service.ask("GET", "/test.json").body
    answer = service.ask("POST", ROUTE, body, headers={"Accept": "text/event-stream"})
    events = answer.body.decode().split("\n\n")[:-1]
    assert texts([json.loads(event.removeprefix("data: ")) for event in events]) == [*PIECES, ""]
