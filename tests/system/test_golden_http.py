"""Exchanges recorded from the original, replayed against us.

Each is asserted as it was recorded, but for the HTTP status of errors, which follows the code, and
but for those in `DIFFERENT`, each with its reason and with what we answer instead.
"""

import base64
import http.client
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.service import Answer, Service

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
EXCHANGES: list[dict[str, Any]] = json.loads((GOLDEN / "http-once.json").read_text("utf-8"))
BY_NAME = {exchange["name"]: exchange for exchange in EXCHANGES}

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
STATUS_OF = {10000: 400, 10001: 400, 10009: 400, 10102: 504, 10106: 500, 10109: 502, 10110: 503}


@dataclass(frozen=True)
class Different:
    """What we answer where we do not follow the original."""

    reason: str
    status: int
    code: int | None = None
    message: str | None = None
    text: str | None = None


ERROR_CODE = "the wrapper's own code and wrapperError's text reach the client"
AT_ONCE = "no wait for a time-out that something already decided"
JSON_ERROR = "the original's handler crashes; every error is a JSON answer"
PREFLIGHT = "browsers ask first, so the preflight works"

DIFFERENT: Mapping[str, Different] = {
    "route_OPTIONS": Different(PREFLIGHT, 204),
    "route_OPTIONS_preflight": Different(PREFLIGHT, 204),
    "path_readme": Different("the README's route is served as well", 200, 0),
    "expect_encoding_number": Different(JSON_ERROR, 400, 10000, "encoding"),
    "expect_format_null": Different(JSON_ERROR, 400, 10000, "format"),
    "expect_compress_bool": Different(JSON_ERROR, 400, 10000, "compress"),
    "mode_err": Different(ERROR_CODE, 500, 100, "wrapperError said 100"),
    "mode_err_with_data": Different(ERROR_CODE, 500, 100, "wrapperError said 100"),
    "fail_err": Different(ERROR_CODE, 500, 100, "wrapperError said 100"),
    "fail_err_empty": Different(ERROR_CODE, 500, 100, "wrapperError said 100"),
    "fail_none": Different(AT_ONCE, 500, 30003, "wrapperOnceExec returned None"),
    "fail_exit": Different(AT_ONCE, 502, 10109, "exited with status 7"),
    "after_worker_killed": Different("a dead worker is replaced", 200, 0, text="second"),
    "size_request_5MB": Different("requests may be larger than 4 MiB", 200, 0),
    "other_GET_swagger_doc.json": Different("it is the service's own document", 200),
    "body_duplicate_other_payload": Different(
        "of a repeated section the last counts, without a merge", 200, 0
    ),
}
"""Whole answers that differ. Smaller differences are in `expected_dump`."""


def setting_of(name: str) -> str:
    """Say which service an exchange needs: a wrapper's name, and what is special about it."""
    special = {
        "licence_exhausted": "modes one licence",
        "licence_first_of_two": "modes one licence",
        "licence_zero": "echo no licence",
        "fail_sleep125": "modes short deadline",
        "params_sid_given_visible": "dump header pass",
    }
    return special.get(name, BY_NAME[name]["wrapper"].partition(":")[0])


def special_sections(setting: str) -> dict[str, dict[str, object]]:
    return {
        "one licence": {"fc": {"max": 1}},
        "no licence": {"fc": {"max": 0}},
        "short deadline": {"http": {"timeout": 1}, "pool": {"drainTimeout": 1}},
        "header pass": {"aiges": {"headerPass": "appid;uid;absent"}},
    }.get(setting.partition(" ")[2], {"pool": {"concurrency": 4}})


WAYS = {"lanes": (1, "auto"), "two processes": (2, "auto"), "grpc": (1, "1")}
"""How many processes serve HTTP, and the worker protocol: the same exchanges, every way."""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], Service]]:
    running: dict[tuple[str, str], Service] = {}
    with ExitStack() as stack:

        def service(setting: str, way: str) -> Service:
            processes, protocol = WAYS[way]
            if (setting, way) not in running:
                folder = tmp_path_factory.mktemp(setting.replace(" ", "-"))
                source = GOLDEN / "http-wrappers" / f"{setting.partition(' ')[0]}.py"
                (folder / "wrapper.py").write_bytes(source.read_bytes())
                sections = special_sections(setting)
                sections["http"] = {**sections.get("http", {}), "processes": processes}
                sections["pool"] = {**sections.get("pool", {}), "protocol": protocol}
                started = stack.enter_context(Service(folder, **sections)).ready()
                for number in range(1, processes + 1 if processes > 1 else 1):
                    started.wait_for(rf"front end ready front={number}")
                running[setting, way] = started
            return running[setting, way]

        yield service


def body_of(request: Mapping[str, Any]) -> bytes | None:
    if request.get("body_base64") is not None:
        return base64.b64decode(request["body_base64"])
    if generated := request.get("body_gen"):
        return generated_body(generated)
    body = request["body"]
    if body is None or isinstance(body, str):
        return None if body is None else body.encode("utf-8", "surrogatepass")
    return json.dumps(body).encode()


def generated_body(how: Mapping[str, int]) -> bytes:
    base: dict[str, Any] = json.loads(json.dumps(BY_NAME["echo_hello"]["request"]["body"]))
    ((what, count),) = how.items()
    if what == "text_bytes":
        base["payload"]["text"]["text"] = base64.b64encode(b"a" * count).decode()
        return json.dumps(base).encode()
    assert what == "valid body plus x = n nested arrays"
    return json.dumps(base).encode()[:-1] + b', "x": ' + b"[" * count + b"]" * count + b"}"


def send(service: Service, request: Mapping[str, Any]) -> Answer:
    client = http.client.HTTPConnection("127.0.0.1", service.http_port, timeout=30)
    try:
        client.putrequest(request["method"], request["path"])
        headers = dict(request["headers"])
        body = body_of(request)
        chunked = headers.get("Transfer-Encoding") == "chunked"
        if body is not None and not chunked:
            headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            client.putheader(name, value)
        client.endheaders(body, encode_chunked=chunked)
        answer = client.getresponse()
        return Answer(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        client.close()


def exchange_with(service: Service, name: str) -> Answer:
    request = BY_NAME[name]["request"]
    if name == "licence_exhausted":  # somebody else has the one licence
        first: list[Answer] = []

        def hold() -> None:
            while not first or first[-1].status != 200:  # the other one may have it for a moment
                first.append(send(service, request))

        holder = threading.Thread(target=hold)
        holder.start()
        while (answer := send(service, BY_NAME["echo_hello"]["request"])).status == 200:
            pass
        holder.join()
        assert first[-1].text() == "slept"
        return answer
    if name == "after_worker_killed":
        pid = int(send(service, request_with(ctl="pid")).text())
        os.kill(pid, signal.SIGKILL)
    return send(service, request)


def request_with(**params: str) -> dict[str, Any]:
    request: dict[str, Any] = json.loads(json.dumps(BY_NAME["echo_hello"]["request"]))
    request["body"]["parameter"]["svcName"].update(params)
    return request


NUMBERS = {
    "params_scalars": {
        "n": "5",
        "zero": "0",
        "f": "1.5",
        "neg": "-3",
        "big": "1000000000000000000000",
        "million": "1000000",
    }
}
"""Numbers reach the wrapper as plain decimal text, not as mantissa and exponent."""


def expected_dump(name: str, recorded: dict[str, Any], sid: str) -> dict[str, Any]:
    recorded["params"].update(NUMBERS.get(name, {}))
    # The original passes no tag; ours is what `callback` wants back.
    recorded["usrTag"] = sid
    # The wrapper of this one recording also showed a sid that the request had set.
    recorded["params"].pop("sid", None)
    return recorded


LONG = {"slow_sleep15"}
"""Exchanges that take long, and would say nothing new when they go another way."""


@pytest.mark.parametrize(
    ("name", "way"),
    [(name, way) for name in BY_NAME for way in (["lanes"] if name in LONG else WAYS)],
)
def test_a_recorded_exchange(name: str, way: str, services: Callable[[str, str], Service]) -> None:
    answer = exchange_with(services(setting_of(name), way), name)
    if different := DIFFERENT.get(name):
        check_different(answer, different)
    else:
        check_same(name, answer, deepcopy(BY_NAME[name]["response"]))


def check_different(answer: Answer, different: Different) -> None:
    assert answer.status == different.status
    if different.code is not None:
        assert answer.code == different.code
        assert UUID.match(answer.json["header"]["sid"])
    if different.message is not None:
        assert different.message in answer.message
    if different.text is not None:
        assert answer.text() == different.text


def check_same(name: str, answer: Answer, recorded: Mapping[str, Any]) -> None:
    body = recorded["body"]
    check_headers(answer, recorded["headers"])
    if not isinstance(body, dict) or "header" not in body:
        assert answer.status == recorded["status"]
        if isinstance(body, dict):
            check_openapi(answer.json, body)
        elif body is not None:
            assert answer.body.decode() == body
        return
    found = answer.json
    code = body["header"]["code"]
    assert answer.status == STATUS_OF.get(code, recorded["status"])
    sid = found["header"].pop("sid")
    assert UUID.match(sid)
    del body["header"]["sid"]
    assert found["header"] == body["header"]
    assert answer.body.endswith(b"}\n")
    if body["payload"] is None:
        assert found["payload"] is None
        return
    assert list(found["payload"]) == sorted(body["payload"])
    for key, entry in body["payload"].items():
        check_output(name, found["payload"][key], entry, sid)


def check_output(name: str, found: dict[str, Any], recorded: dict[str, Any], sid: str) -> None:
    text = recorded.get("text")
    if isinstance(text, str) and (sized := re.fullmatch(r"<(\d+) x 'a'>", text)):
        recorded["text"] = "a" * int(sized[1])
    elif name in DUMPS:
        dumped, wanted = json.loads(found.pop("text")), json.loads(recorded.pop("text"))
        if name == "dump_config":  # where it listens differs
            dumped.pop("http_listen")
            assert dumped == {"log.level": "info"}
        else:
            assert dumped == expected_dump(name, wanted, sid)
    assert found == recorded


DUMPS = {
    exchange["name"]
    for exchange in EXCHANGES
    if exchange["wrapper"].startswith("dump")
    and isinstance(exchange["response"]["body"], dict)
    and "payload" in exchange["response"]["body"]
}


def check_headers(answer: Answer, recorded: Mapping[str, str]) -> None:
    for header, value in recorded.items():
        if header in ("Content-Length", "Transfer-Encoding"):
            continue
        assert answer.headers.get(header) == value, header


def check_openapi(found: Any, recorded: Any) -> None:
    """The two describe the same routes and inputs; ours says more where the original lost it."""
    assert found["openapi"] == recorded["openapi"]
    assert found["info"] == recorded["info"]
    assert found["servers"] == recorded["servers"]
    ours, theirs = (
        document["paths"]["/"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        for document in (found, recorded)
    )
    assert set(ours["properties"]) == set(theirs["properties"])
    assert ours["properties"]["payload"] == theirs["properties"]["payload"]


def test_every_difference_is_about_an_exchange_that_exists() -> None:
    unknown = set(DIFFERENT) - set(BY_NAME)
    assert unknown <= {"mode_err", "mode_err_with_data"}, unknown
