"""The chat sample, served in front of an endpoint: streams, calls, failures, clients that leave."""

import json
import tomllib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from aiges.client import Client, WrapperError
from support.chat_endpoint import ChatEndpoint
from support.samples import SAMPLES, sample_modules, sample_service
from support.service import Service

KEY = "a-key-that-nobody-may-see"
PLACES = 8
"""Calls that the worker has room for."""


@pytest.fixture(scope="module")
def running() -> Iterator[ChatEndpoint]:
    with ChatEndpoint() as made:
        yield made


@pytest.fixture(scope="module")
def service(running: ChatEndpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(running, tmp_path_factory.mktemp("config")).ready() as made:
        yield made


def served(endpoint: ChatEndpoint, folder: Path) -> Service:
    wrapper = {"base_url": endpoint.base_url, "model": "small", "read_timeout": 5}
    key = {"OPENAI_API_KEY": KEY}
    return sample_service("chat", folder, key, wrapper=wrapper, pool={"concurrency": PLACES})


@pytest.fixture
def endpoint(running: ChatEndpoint) -> ChatEndpoint:
    """The endpoint, which has forgotten what came before."""
    running.forget()
    return running


@pytest.fixture
def client(service: Service) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{service.http_port}") as made:
        yield made


def messages(text: str) -> str:
    return json.dumps([{"role": "user", "content": text}])


def test_answers_come_as_a_whole_or_as_they_are_made(
    client: Client, service: Service, endpoint: ChatEndpoint
) -> None:
    asked = messages("one two 三")
    params = {"temperature": 0.25, "max_tokens": 9}
    assert client.once(asked, params=params).text == "one two 三 "
    assert [r.text for r in client.stream(asked, params=params)] == ["one ", "two ", "三 ", ""]
    with Client(f"ws://127.0.0.1:{service.http_port}") as other:
        data = asked.encode()
        pieces = other.stream([data[:9], data[9:]], params=params)
        assert [r.text for r in pieces] == ["one ", "two ", "三 ", ""]
    for headers, body in endpoint.requests:
        assert headers["Authorization"] == f"Bearer {KEY}"
        assert (body["model"], body["temperature"], body["max_tokens"]) == ("small", 0.25, 9)
    assert len(endpoint.requests) == 3
    assert KEY not in "\n".join(service.log)


def test_the_first_piece_comes_while_the_endpoint_still_works(
    client: Client, endpoint: ChatEndpoint
) -> None:
    pieces = client.stream(messages("wait"))
    assert next(pieces).text == "waited"
    assert endpoint.running == 1
    endpoint.gate.set()
    assert [piece.text for piece in pieces] == [""]


def test_failures_have_codes_and_words(client: Client, service: Service) -> None:
    expected = {
        "400": (114, "the chat endpoint refuses the request"),
        "401": (112, "the chat endpoint does not accept the service's key"),
        "429 for long": (113, "the chat endpoint takes no more requests for now"),
        "500": (115, "the chat endpoint failed"),
        "breaks": (117, "the chat endpoint's answer broke off, or cannot be read"),
    }
    for message, (code, text) in expected.items():
        for ask in (client.once, lambda asked: list(client.stream(asked))):
            with pytest.raises(WrapperError) as raised:
                ask(messages(message))
            assert (raised.value.code, raised.value.message) == (code, text)
    service.wait_for(r"code=112: status 401: .*no: 401")  # what the endpoint said is in the log
    for asked in ("no json", "[]"):
        for ask in (client.once, lambda asked: list(client.stream(asked))):
            with pytest.raises(WrapperError) as raised:
                ask(asked)
            assert raised.value.code == 101
    assert client.once(messages("one")).text == "one "


def test_a_client_that_leaves_a_stream_makes_the_proxy_hang_up(
    client: Client, endpoint: ChatEndpoint
) -> None:
    for message in ("wait", "stalls"):
        with closing(client.stream(messages(message))) as pieces:
            next(pieces)
    endpoint.wait_for(lambda seen: seen.hung_up == 2, "both answers are given up")


def test_a_client_that_leaves_a_call_frees_its_place(
    client: Client, service: Service, endpoint: ChatEndpoint
) -> None:
    def leave(_: int) -> None:
        with pytest.raises(TimeoutError):
            client.once(messages("silent"), timeout_s=0.3)

    with ThreadPoolExecutor(PLACES) as clients:
        list(clients.map(leave, range(PLACES)))
    endpoint.wait_for(lambda seen: seen.hung_up == PLACES, "all of them are given up")
    service.wait_for("code=119: the client has gone")
    assert client.once(messages("one")).text == "one "


def test_one_worker_holds_many_chats_at_once(client: Client, endpoint: ChatEndpoint) -> None:
    with ThreadPoolExecutor(20) as clients:
        answers = clients.map(
            lambda _: [r.text for r in client.stream(messages("wait"))], range(20)
        )
        endpoint.wait_for(lambda seen: seen.running == 20, "twenty chats run")
        endpoint.gate.set()
        assert list(answers) == [["waited", ""]] * 20


def test_a_stop_lets_chats_come_to_their_end_and_leaves_nothing(
    endpoint: ChatEndpoint, tmp_path: Path
) -> None:
    with served(endpoint, tmp_path).ready() as stopping:
        with Client(f"http://127.0.0.1:{stopping.http_port}") as client:
            pieces = client.stream(messages("wait"))
            next(pieces)
            stopping.process.terminate()
            stopping.wait_for("SIGTERM: finishing what has begun")
            endpoint.gate.set()
            assert [piece.text for piece in pieces] == [""]
        assert stopping.wait() == 0
    said = "\n".join(stopping.log)
    assert not any(word in said for word in ("still runs", "Traceback", "never retrieved"))


def test_a_missing_setting_stops_the_start_and_is_named(tmp_path: Path) -> None:
    with sample_service("chat", tmp_path, {"OPENAI_BASE_URL": "", "OPENAI_MODEL": ""}) as service:
        service.wait_for(r"\[wrapper\] base_url is missing; the variable OPENAI_BASE_URL")
        assert service.wait() == 1


def test_the_configuration_that_comes_with_it_has_the_defaults_of_the_code() -> None:
    written = tomllib.loads((SAMPLES / "chat" / "aiges.toml").read_text("utf-8"))["wrapper"]
    given = {k: v for k, v in written.items() if k != "http_listen"}
    with sample_modules("chat", "settings") as (settings,):
        needed = {"base_url": "http://e", "model": "m"}
        config = {k: str(v) for k, v in {**given, **needed}.items()}
        assert settings.settings_from(config, {}) == settings.settings_from(needed, {})
        assert len(given) == len(settings.Settings.__dataclass_fields__)
