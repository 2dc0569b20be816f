"""The sample that is typed: run alone, and served."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from support.service import LIMIT_S, ROOT, SOURCES, Service, config_text

SAMPLE = ROOT / "wrappers" / "typed"


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
    assert "wrapperOnceExec works" in done.stderr


def example(service: Service) -> dict[str, Any]:
    body: dict[str, Any] = service.ask("GET", "/test.json").json
    return body


def test_the_example_request_has_both_outputs(service: Service) -> None:
    body = example(service)
    body["parameter"]["typed"] |= {"mode": "reversed", "times": 2}
    answer = service.ask("POST", "/v1/private/typed", json.dumps(body).encode())
    assert answer.status == 200, answer.body
    said = "Types say it all. 类型说明一切。"
    assert answer.text() == said[::-1] * 2
    counts = json.loads(answer.text("counts"))
    assert counts == {"characters": len(said), "words": 5}


@pytest.mark.parametrize(
    ("parameters", "status", "code", "message"),
    [
        ({"times": 11}, 400, 10107, "parameter 'times': expected a whole number from 1 to 10"),
        ({"mode": "x", "times": 0}, 400, 10107, "parameter 'mode': expected one of \"upper\""),
    ],
)
def test_a_bad_value_is_the_client_s_fault_and_named(
    parameters: dict[str, Any], status: int, code: int, message: str, service: Service
) -> None:
    body = example(service)
    body["parameter"]["typed"] |= parameters
    answer = service.ask("POST", "/v1/private/typed", json.dumps(body).encode())
    assert (answer.status, answer.code) == (status, code)
    assert answer.message.startswith(message)


def test_a_code_of_its_own_is_the_wrapper_s_and_has_its_words(service: Service) -> None:
    body = example(service)
    body["payload"]["text"]["text"] = "ICAg"
    answer = service.ask("POST", "/v1/private/typed", json.dumps(body).encode())
    assert (answer.status, answer.code) == (500, 101)
    assert answer.message == "there is no text to shape"
