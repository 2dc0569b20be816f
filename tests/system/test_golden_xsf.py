"""Calls of utils.XsfCall and utils.ToolBox recorded from the original, replayed against us.

Each step is asserted as it was recorded, but for those in `DIFFERENT`, each with its reason and
with what we answer instead. Times are not compared.
"""

import base64
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.service import Service
from support.xsf_client import CALL, LIMIT_S, TOOL, reply_json, request_bytes, tool_json

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
RECORDED: dict[str, Any] = json.loads((GOLDEN / "xsf.json").read_text("utf-8"))
BY_NAME = {exchange["name"]: exchange for exchange in RECORDED["exchanges"]}

HANDLE = re.compile(r"0[0-9a-f]{25}\Z")

ENDED = (10101, "service instance inactive, already release")

Expected = Mapping[str, Any] | tuple[int, str]
"""A LoaderOutput, or the code of an error and a pattern for its text."""


@dataclass(frozen=True)
class Different:
    """What we answer where we do not follow the original.

    Attributes:
        steps: Number of a call within its exchange, from 0, and its answer.
    """

    reason: str
    steps: Mapping[int, Expected]


def result(text: bytes, seq: int, status: str = "CONTINUE", key: str = "result") -> dict[str, Any]:
    return output(payload(text, seq, status, key), status=status)


def payload(text: bytes, seq: int, status: str, key: str = "result") -> dict[str, Any]:
    number = ["BEGIN", "CONTINUE", "END", "ONCE"].index(status)
    attributes = {"encoding": "utf8", "seq": str(seq), "status": str(number)}
    kind = {"dataType": "IMAGE"} if key == "pic" else {}
    return {
        "meta": {"name": key, **kind, "attribute": attributes},
        "data": base64.b64encode(text).decode(),
    }


def output(*payloads: dict[str, Any], status: str) -> dict[str, Any]:
    return {**({} if status == "BEGIN" else {"status": status}), "pl": list(payloads)}


NOT_EXPECTED = (10106, r"wrapper output data invalid\(key or type\)")
AS_SOON = "a result can be had as soon as there is one, not only after another input"
AT_ONCE = "no wait for a time-out that something already decided"
TOLD = "what the wrapper says of a step that failed is told, not ignored"
NO_CRASH = "the original's process dies"

DIFFERENT: Mapping[str, Different] = {
    "once_empty_payload_wait_8s": Different(AT_ONCE, {0: (10009, "input invalid data")}),
    "once_worker_inline_err": Different(
        AT_ONCE, {0: (10910, "wrapperOnceExec returned None.*;code=30003")}
    ),
    "once_worker_abort": Different(AT_ONCE, {0: (10910, "RuntimeError: abort.*;code=30003")}),
    "once_worker_direct": Different(
        "an answer is taken from wherever it comes",
        {0: {"serviceId": "svcid", **result(b"direct", 0, "ONCE")}},
    ),
    "stream_handle_reused_after_AIExcp_without_end": Different(
        "a session that was dropped leaves nothing behind", {3: result(b"Y", 1, "END")}
    ),
    "stream_two_inputs_two_outputs": Different(
        AS_SOON,
        {
            1: output(
                payload(b"t1", 1, "CONTINUE"),
                payload(b"p1", 1, "CONTINUE", "pic"),
                status="CONTINUE",
            ),
            2: output(
                payload(b"text-out", 2, "END"),
                payload(b"\x00\x01img", 2, "END", "pic"),
                status="END",
            ),
            3: ENDED,
        },
    ),
    "stream_worker_bad_key": Different(AS_SOON, {1: NOT_EXPECTED, 2: ENDED}),
    "stream_worker_echo": Different(AS_SOON, {1: NOT_EXPECTED, 2: ENDED}),
    "stream_worker_early_end": Different(AS_SOON, {1: result(b"early", 1, "END"), 2: ENDED}),
    "stream_results_before_last_input": Different(
        AS_SOON,
        {
            1: result(b"0000", 1),
            2: result(b"0001", 2),
            3: result(b"0002", 3),
            5: result(b"0000", 4),
            6: result(b"0001", 5),
            7: result(b"0002", 6),
            8: result(b"0000", 7),
            9: result(b"0001", 8),
        },
    ),
    "stream_worker_create_err": Different(TOLD, {1: (10905, "errr;code=777"), 2: ENDED, 3: ENDED}),
    "stream_worker_write_ret": Different(TOLD, {1: (10907, "errr;code=555"), 2: ENDED, 3: ENDED}),
    "fault_write_abort": Different(
        NO_CRASH, {1: (10907, "RuntimeError: write_abort.*;code=30003")}
    ),
    "fault_payload_without_meta": Different(
        NO_CRASH, {0: (10009, "input invalid data: a payload has no meta")}
    ),
    "fault_worker_exit_stream": Different(
        NO_CRASH, {1: (10109, "the worker died during the call")}
    ),
    "worker_dead_1s": Different(
        "a dead worker is replaced",
        {0: {"serviceId": "svcid", **result(b"X", 0, "ONCE")}, 2: result(b"X", 1, "BEGIN")},
    ),
}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Service]]:
    running: dict[str, Service] = {}
    with ExitStack() as stack:

        def service(changes: str) -> Service:
            if changes not in running:
                folder = tmp_path_factory.mktemp("xsf")
                (folder / "wrapper.py").write_bytes((GOLDEN / "xsf-wrapper.py").read_bytes())
                started = Service(folder, **sections(json.loads(changes)))
                running[changes] = stack.enter_context(started).ready()
            return running[changes]

        yield service


def sections(changes: Mapping[str, object]) -> dict[str, dict[str, object]]:
    made: dict[str, dict[str, object]] = {
        "fc": {"max": 60, "ttl": 3000, "roll": 500},
        "pool": {"concurrency": 4},
    }
    for name, value in changes.items():
        section, _, key = name.partition(".")
        made.setdefault(section.strip("[]").replace("svc", "svcName"), {})[key] = value
    return made


def service_for(name: str, services: Callable[[str], Service]) -> Service:
    """Return the service with the exchange's configuration; crashes have one of their own."""
    changes = dict(BY_NAME[name].get("config_changes", {}))
    return services(json.dumps(changes, sort_keys=True))


class Client:
    """Replays the calls of one exchange."""

    def __init__(self, service: Service, channel: grpc.Channel) -> None:
        self._call = channel.unary_unary(CALL)
        self.peer = f"127.0.0.1:{service.grpc_port}"
        self.handle = "<sid>"

    def replay(self, recorded: dict[str, Any]) -> dict[str, Any]:
        """Send a recorded call with the handle that we were given."""
        request = json.loads(json.dumps(recorded))
        if request.get("s", {}).get("h") == "<sid>":
            request["s"]["h"] = self.handle
        try:
            answer = reply_json(self._call(request_bytes(request), timeout=LIMIT_S))
        except grpc.RpcError as error:
            return {"grpc_error": {"code": error.code().name, "details": error.details()}}
        if not recorded.get("s", {}).get("h"):
            self.handle = answer["s"]["h"]
            assert HANDLE.match(self.handle)
        assert answer["s"]["sess"] == {"PeerAddr": self.peer}
        return answer


@pytest.mark.parametrize("name", BY_NAME)
def test_a_recorded_exchange(name: str, services: Callable[[str], Service]) -> None:
    service = service_for(name, services)
    exchange = BY_NAME[name]
    if name == "worker_dead_1s":
        os.kill(service.worker_pid(), signal.SIGKILL)
    different = DIFFERENT.get(name, Different("", {}))
    calls = 0
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        client = Client(service, channel)
        for step in exchange["steps"]:
            if "sleep" in step:
                time.sleep(step["sleep"])  # part of the recording: something expires or comes
                continue
            answer = client.replay(step["request"])
            recorded = (
                {"grpc_error": step["grpc_error"]} if "grpc_error" in step else step["response"]
            )
            check(answer, recorded, different.steps.get(calls), client.handle)
            calls += 1
    assert max(different.steps, default=0) < calls


def check(
    answer: dict[str, Any], recorded: dict[str, Any], instead: Expected | None, handle: str
) -> None:
    if instead is None:
        wanted = json.loads(json.dumps(recorded))
        if "s" in wanted:
            wanted["s"] = answer["s"]
            assert answer["s"]["h"] in (recorded["s"]["h"], handle)
        assert answer == wanted
        return
    (entry,) = answer["data"]
    found = entry["LoaderOutput"]
    if isinstance(instead, tuple):
        code, text = instead
        assert (found["code"], found["status"]) == (code, "END"), found
        assert re.search(text, found["err"]), found
    else:
        assert found == instead


@pytest.mark.parametrize("number", range(len(RECORDED["other_rpcs"])))
def test_a_recorded_command(number: int, services: Callable[[str], Service]) -> None:
    exchange = RECORDED["other_rpcs"][number]
    service = services("{}")
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        method = channel.unary_unary(TOOL)
        if "grpc_error" in exchange:
            with pytest.raises(grpc.RpcError) as refused:
                tool_json(method, exchange["query"], exchange["headers"])
            assert refused.value.code().name == exchange["grpc_error"]["code"]
            assert refused.value.details() == exchange["grpc_error"]["details"]
            return
        body = tool_json(method, exchange["query"], exchange["headers"])
    assert re.fullmatch(pattern_of(exchange["response"]["body"]), body), body


def pattern_of(body: str) -> str:
    if body.startswith("NumGC:"):
        return r"generation:0 [\s\S]*"  # Python's collector, not Go's
    pattern = re.escape(body)
    for mark, meaning in (("<n>", r"\d+"), ("<user>", r"\S+"), ("<s>", r"\d+")):
        pattern = pattern.replace(re.escape(mark), meaning)
    return pattern


def test_every_difference_is_about_an_exchange_that_exists() -> None:
    assert set(DIFFERENT) <= set(BY_NAME)
