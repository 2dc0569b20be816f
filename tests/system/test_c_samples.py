"""The plugins in C, served: over HTTP, WebSocket, server-sent events and gRPC."""

import asyncio
import base64
import json
import math
import os
import re
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from aiges.client import Client, ClientError, Description, Input, WrapperError
from support.c_programs import SAMPLES, made, run
from support.service import LIMIT_S, ROOT, Service
from support.waiting import until

TEXT_PLUGINS = ["upper", "async"]
TEXT, SHOUTED = "hello wörld 世界", "HELLO WöRLD 世界"


def serve(folder: Path, **sections: Any) -> Service:
    """Serve the plugin that was made in `folder`, with its own file but for the ports."""
    return Service(folder, env={"AIGES_PLUGIN_MODE": "c"}, **sections)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Service]]:
    started: dict[str, Service] = {}
    try:
        for name in ("upper", "async", "vad"):
            folder = made(name, tmp_path_factory.mktemp("samples"))
            started[name] = serve(folder, aiges={"asyncMode": name == "async"})
        for service in started.values():
            service.ready()
        yield started
    finally:
        for service in started.values():
            service.__exit__(None, None, None)


def client(service: Service, scheme: str) -> Client:
    """Return a client of the sample; over gRPC it has to be told what the service is."""
    if scheme != "grpc":
        return Client(f"{scheme}://127.0.0.1:{service.http_port}", timeout_s=LIMIT_S)
    name = service.folder.name
    described = (
        Description(service_id=name, inputs={"audio": "audio"}, outputs={"events": "text"})
        if name == "vad"
        else Description(service_id=name, inputs={"text": "text"}, outputs={"result": "text"})
    )
    url = f"grpc://127.0.0.1:{service.grpc_port}"
    return Client(url, description=described, timeout_s=LIMIT_S)


@pytest.mark.parametrize("scheme", ["http", "grpc"])
@pytest.mark.parametrize("name", TEXT_PLUGINS)
def test_a_single_request_is_answered(name: str, scheme: str, services: dict[str, Service]) -> None:
    with client(services[name], scheme) as caller:
        answer = caller.once(TEXT)
    assert (answer.text, answer["result"].kind) == (SHOUTED, "text")


@pytest.mark.parametrize("scheme", ["http", "grpc"])
@pytest.mark.parametrize("name", TEXT_PLUGINS)
def test_the_plugins_own_code_and_text_reach_the_client(
    name: str, scheme: str, services: dict[str, Service]
) -> None:
    with client(services[name], scheme) as caller, pytest.raises(WrapperError) as caught:
        caller.once({"other": Input(b"x", kind="text")}, expect={"result": "text"})
    assert (caught.value.code, caught.value.message) == (
        101,
        "the request has no payload called text",
    )


@pytest.mark.parametrize(
    ("scheme", "package"),
    [("http", TEXT), ("http", [TEXT]), ("ws", TEXT), ("grpc", TEXT)],
    ids=["sse", "websocket of http", "websocket", "grpc"],
)
def test_a_session_of_one_input_has_one_result(
    scheme: str, package: Any, services: dict[str, Service]
) -> None:
    with client(services["async"], scheme) as caller:
        assert [result.text for result in caller.stream(package)] == [SHOUTED]


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_results_by_callback_come_in_the_order_of_the_inputs(
    scheme: str, services: dict[str, Service]
) -> None:
    words = [f"word{number} " for number in range(100)]
    with client(services["async"], scheme) as caller:
        results = [result.text for result in caller.stream(words)]
    assert results == [word.upper() for word in words]


@pytest.mark.parametrize("scheme", ["ws", "grpc"])
def test_a_plugin_without_sessions_says_so(scheme: str, services: dict[str, Service]) -> None:
    with client(services["upper"], scheme) as caller, pytest.raises(WrapperError) as caught:
        list(caller.stream([TEXT, TEXT]))
    assert "single requests only" in caught.value.message


@pytest.mark.parametrize("reads", [0, 3])
async def test_a_client_that_leaves_with_results_unread_leaves_nothing(
    reads: int, services: dict[str, Service]
) -> None:
    """Its results wait in the plugin's thread, which wrapperDestroy has to wait for."""
    service = services["async"]
    text = base64.b64encode(b"x" * 100_000).decode()
    frame = {
        "parameter": {"async": {"result": {"data_type": "text"}}},
        "payload": {"text": {"text": text, "status": 1}},
    }
    url = f"http://127.0.0.1:{service.http_port}/v1/svcName"
    async with (
        asyncio.timeout(LIMIT_S),
        aiohttp.ClientSession() as client,
        client.ws_connect(url) as connection,
    ):
        for _ in range(1 + reads):
            await connection.send_json(frame)
            await connection.receive_json()
        # Until every buffer on the way there and back is full.
        with suppress(TimeoutError):
            while True:
                async with asyncio.timeout(1.0):
                    await connection.send_json(frame)
        connection.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def is_gone() -> bool:
        status = service.admin("GET", "/status").json
        return status["licences"]["taken"] == 0 and status["workers"][0]["sessions"] == 0

    await until(is_gone, "the session is gone")
    with Client(url, timeout_s=LIMIT_S) as caller:
        assert [result.text for result in caller.stream(["a", "b"])] == ["A", "B"]


@pytest.mark.parametrize("name", ["upper", "async", "vad"])
def test_plugins_are_served_over_version_1_of_the_worker_protocol_too(
    name: str, tmp_path: Path
) -> None:
    """As with AutoMTLS, which knows no other."""
    sections = {"aiges": {"asyncMode": name == "async"}, "pool": {"protocol": "1"}}
    with serve(made(name, tmp_path), **sections).ready() as service:
        with client(service, "http") as caller:
            if name == "vad":
                assert segments_of([caller.once(recording()).text]) == SPEECH
                texts = [result.text for result in caller.stream(pieces(recording()))]
                assert segments_of(texts) == SPEECH
            elif name == "async":
                assert caller.once(TEXT).text == SHOUTED
                assert [result.text for result in caller.stream(["a", "b"])] == ["A", "B"]
            else:
                assert caller.once(TEXT).text == SHOUTED
        assert service.stop() == 0


# --- vad ---

SPEECH = [(500, 1200), (2000, 2300)]
SECONDS = 3.0


def recording() -> bytes:
    """Return 3 s of PCM, 16 kHz, 16 bits: a tone where there is speech, else a faint hum."""
    samples = []
    for number in range(int(16000 * SECONDS)):
        ms = number / 16
        loud = any(begin <= ms < end for begin, end in SPEECH)
        pitch, amplitude = (440, 8000) if loud else (50, 10)
        samples.append(round(amplitude * math.sin(2 * math.pi * pitch * number / 16000)))
    return struct.pack(f"<{len(samples)}h", *samples)


def segments_of(texts: list[str]) -> list[tuple[int, int]]:
    """Pair the begins and ends of all results."""
    events = [event for text in texts for event in json.loads(text)["events"]]
    assert [event["event"] for event in events] == ["begin", "end"] * (len(events) // 2)
    times = [event["ms"] for event in events]
    return list(zip(times[::2], times[1::2], strict=True))


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_whole_recording_is_heard_at_once(scheme: str, services: dict[str, Service]) -> None:
    with client(services["vad"], scheme) as caller:
        answer = caller.once(recording())
    assert segments_of([answer.text]) == SPEECH


def pieces(sound: bytes, size: int = 1281) -> list[bytes]:
    """Cut it into pieces; those of the usual size end in the midst of a sample."""
    edges = [*range(0, len(sound), size), len(sound)]
    return [sound[begin:end] for begin, end in pairwise(edges)]


@pytest.mark.parametrize("scheme", ["http", "ws", "grpc"])
def test_a_stream_is_heard_piece_by_piece(scheme: str, services: dict[str, Service]) -> None:
    with client(services["vad"], scheme) as caller:
        texts = [result.text for result in caller.stream(pieces(recording()))]
    assert segments_of(texts) == SPEECH
    assert len(texts) == 5  # an event each, as it happens, and the end


def test_an_event_comes_while_the_stream_goes_on(services: dict[str, Service]) -> None:
    sound = pieces(recording(), 1280)
    heard = threading.Event()

    def with_a_pause() -> Iterator[bytes]:
        yield from sound[:15]  # 600 ms: speech has begun
        assert heard.wait(LIMIT_S), "nothing was heard of it"
        yield from sound[15:]

    texts = []
    with client(services["vad"], "ws") as caller:
        for result in caller.stream(with_a_pause()):
            texts.append(result.text)
            heard.set()
    assert json.loads(texts[0])["events"] == [{"event": "begin", "ms": 500}]
    assert segments_of(texts) == SPEECH


def test_a_recording_is_heard_as_server_sent_events(services: dict[str, Service]) -> None:
    with client(services["vad"], "http") as caller:
        texts = [result.text for result in caller.stream(recording())]
    assert segments_of(texts) == SPEECH


def test_results_are_held_back_until_the_input_is_complete(tmp_path: Path) -> None:
    texts: list[str] = []

    def watched() -> Iterator[bytes]:
        for piece in pieces(recording()):
            assert texts == []
            yield piece

    with serve(made("vad", tmp_path), aiges={"realTimeRlt": False}).ready() as service:
        with client(service, "ws") as caller:
            for result in caller.stream(watched()):
                texts.append(result.text)  # noqa: PERF401 - seen by `watched` meanwhile
        assert service.stop() == 0
    assert segments_of(texts) == SPEECH


@pytest.mark.parametrize(
    ("what", "params", "reason"),
    [
        ("once", {"threshold_db": "loud"}, "threshold_db is a number from 3 to 40"),
        ("stream", {"hangover_ms": "5001"}, "hangover_ms from 10 to 5000"),
    ],
)
def test_a_parameter_that_is_out_of_bounds_is_refused(
    what: str, params: dict[str, str], reason: str, services: dict[str, Service]
) -> None:
    with client(services["vad"], "ws") as caller, pytest.raises(ClientError) as caught:
        if what == "once":
            caller.once(recording(), params=params)
        else:
            list(caller.stream(pieces(recording()), params=params))
    assert caught.value.code == 103
    assert reason in caught.value.message


# --- what people are told to type ---


@pytest.mark.parametrize("name", ["upper", "async", "vad"])
def test_the_commands_of_its_readme_build_it_serve_it_and_get_an_answer(
    name: str, tmp_path: Path
) -> None:
    text = (SAMPLES / name / "README.md").read_text("utf-8")
    (block,) = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    enter, build, start, call = block.splitlines()
    assert enter == f"cd wrappers/c/{name}"
    assert start.startswith("AIGES_PLUGIN_MODE=c aiges-loader ")
    made(name, tmp_path / "wrappers" / "c", target="clean")
    (tmp_path / "plugin_runtime").symlink_to(ROOT / "plugin_runtime")
    run(["sh", "-ec", f"{enter}\n{build}"], tmp_path)
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    env = {
        "PATH": path,
        "AIGES__WRAPPER__HTTP_LISTEN": "127.0.0.1:0",
        "AIGES__SVCNAME__HOST": "127.0.0.1",
        "AIGES__SVCNAME__PORT": "0",
        "AIGES__ADMIN__LISTEN": "127.0.0.1:0",
    }
    with Service(
        tmp_path,
        program=("sh", "-ec"),
        arguments=(f"{enter}\nexec env {start}",),
        env=env,
        writes_config=False,
    ).ready() as service:
        here = call.replace("127.0.0.1:1888", f"127.0.0.1:{service.http_port}")
        answered = run(["sh", "-ec", here], tmp_path)
    assert '"code":0' in answered
    if name == "vad":  # a tone of a tenth of a second is what the example has
        assert r"{\"event\": \"begin\", \"ms\": 0}, {\"event\": \"end\", \"ms\": 100}" in answered
    else:
        assert '"text":"HELLO"' in answered
