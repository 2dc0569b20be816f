"""The textgen sample, served: whole texts, streams, limits, and clients that leave."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aiges.client import Client, WrapperError
from support.samples import sample_service, used
from support.service import Service
from support.waiting import LIMIT_S

PROMPT = "守灯人"
MOST_TOKENS = 4096


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with sample_service("textgen", tmp_path_factory.mktemp("config")).ready() as running:
        yield running


def whole(service: Service, text: str | bytes = PROMPT, **params: str | float) -> str:
    """Return all of the text at once."""
    with Client(f"http://127.0.0.1:{service.http_port}") as client:
        return client.once(text, params=params).text


@pytest.fixture(params=["http", "ws"])
def client(request: pytest.FixtureRequest, service: Service) -> Iterator[Client]:
    with Client(f"{request.param}://127.0.0.1:{service.http_port}") as made:
        yield made


@pytest.mark.parametrize("temperature", [0, 0.5, 2])
def test_pieces_are_whole_characters_and_together_the_whole_text(
    temperature: float, client: Client, service: Service
) -> None:
    params = {"temperature": temperature, "max_tokens": 150, "seed": 7}
    pieces = [result.text for result in client.stream(PROMPT, params=params)]
    assert len(pieces) > 30
    assert all(pieces[:-1])
    assert "".join(pieces) == whole(service, **params)


def test_a_prompt_may_come_in_packages_that_cut_a_character(
    client: Client, service: Service
) -> None:
    data = PROMPT.encode()
    pieces = client.stream([data[:4], data[4:]], params={"seed": 3})
    assert "".join(piece.text for piece in pieces) == whole(service, seed=3)


def test_a_stop_text_ends_the_text_before_itself(client: Client, service: Service) -> None:
    params = {"temperature": 0, "max_tokens": 200}
    unstopped = whole(service, "The keeper", **params)
    stopped = [r.text for r in client.stream("The keeper", params={**params, "stop": "stove"})]
    assert "stove" in unstopped
    assert "".join(stopped) == unstopped.partition("stove")[0]


def test_a_stop_text_at_once_leaves_nothing(client: Client, service: Service) -> None:
    params = {"temperature": 0, "stop": whole(service, temperature=0)[0]}
    assert [result.text for result in client.stream(PROMPT, params=params)] == ["", ""]
    assert whole(service, **params) == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", "warm"),
        ("temperature", "nan"),
        ("temperature", -0.1),
        ("temperature", 2.5),
        ("max_tokens", 0),
        ("max_tokens", MOST_TOKENS + 1),
        ("max_tokens", 1.5),
        ("seed", -1),
    ],
)
def test_a_wrong_parameter_has_its_code_and_the_log_names_it(
    name: str, value: str | float, client: Client, service: Service
) -> None:
    seen = len(service.log)
    with pytest.raises(WrapperError, match=r"temperature is 0 to 2, max_tokens") as raised:
        client.once(PROMPT, params={name: value})
    assert raised.value.code == 101
    service.wait_for(f"refused: {name} is", after=seen)
    with pytest.raises(WrapperError) as raised:
        list(client.stream(PROMPT, params={name: value}))
    assert raised.value.code == 101


def test_a_stream_whose_client_leaves_makes_few_tokens_and_all_are_counted(
    tmp_path: Path,
) -> None:
    fast = {"heartbeat": 0.1}  # with which counts arrive
    with sample_service("textgen", tmp_path, pool=fast).ready() as service:
        with Client(f"http://127.0.0.1:{service.http_port}") as client:
            params = {"max_tokens": MOST_TOKENS, "temperature": 1}
            pieces = client.stream(PROMPT, params=params)
            with closing(pieces):
                next(pieces)
        made = await_use(service, 1)
        assert made < MOST_TOKENS
        whole(service, max_tokens=17)
        assert await_use(service, made + 1) == made + 17


def await_use(service: Service, least: int) -> int:
    """Wait until so many tokens are reported."""
    deadline = time.monotonic() + LIMIT_S
    while (count := used(service, "completion_tokens")) < least:
        assert time.monotonic() < deadline, f"{count} tokens reported, not {least}"
        time.sleep(0.02)
    return count


def test_work_ends_when_the_client_of_a_call_leaves(service: Service) -> None:
    seen = len(service.log)
    with Client(f"http://127.0.0.1:{service.http_port}") as client:
        params = {"max_tokens": MOST_TOKENS, "temperature": 1}
        with pytest.raises(TimeoutError):
            client.once(PROMPT, params=params, timeout_s=0.2)
    assert int(service.wait_for(r"cancelled after (\d+) tokens", after=seen)[1]) < MOST_TOKENS
