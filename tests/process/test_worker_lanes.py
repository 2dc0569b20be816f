"""What only version 2 has: the control service, and lanes that peers use well or badly."""

import json
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiges_wire import frames
from aiges_wire.pb import aiges_control_pb2 as control_pb
from support.lane_client import LaneClient
from support.worker_host import LIMIT_S, WorkerHost, environment

WRAPPER = """
import threading, time
from aiges.dto import Response, ResponseData, callback
from aiges.sdk import WrapperBase, current_call

GO_ON = threading.Event()

class Wrapper(WrapperBase):
    serviceId = "mine"
    version = "v1"

    def wrapperInit(self, config):
        self.loaded = {}
        return 0

    def wrapperOnceExec(self, params, reqData):
        do = params.get("do", "")
        if do == "wait":
            GO_ON.wait(20)
        if do == "silent":
            return None  # wrapperOnceExecAsync is to answer
        if do == "go on":
            GO_ON.set()
        if do == "until cancelled":
            call = current_call()
            ended = call.sid, call.remaining_s is None
            while not call.is_cancelled:
                time.sleep(0.01)
            reqData.list[0].data = str(ended).encode()
        response = Response()
        item = ResponseData(key="result")
        item.setData(str(self.loaded) if do == "loaded" else reqData.list[0].data)
        response.list = [item]
        return response

    def wrapperOnceExecAsync(self, params, reqData, sid):
        return 0  # and no callback follows

    def wrapperBatchExec(self, batch):
        return [self.wrapperOnceExec(params, data) for params, data in batch]

    def wrapperLoadRes(self, reqData, resId):
        if resId == "bad":
            return 77
        if resId == "worse":
            raise ValueError("no such adapter")
        self.loaded[resId] = (reqData.list[0].key, reqData.list[0].data, reqData.list[0].desc)
        return 0

    def wrapperUnloadRes(self, resId):
        del self.loaded[resId]
        return 0

    def wrapperError(self, code):
        return f"code {code}"

    def wrapperFini(self):
        print("fini", flush=True)
        time.sleep(0.2)
        return 0
"""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[WorkerHost]:
    (tmp_path / "wrapper.py").write_text(WRAPPER)
    env = environment(2, AIGES_WORKER_CONCURRENCY="3")
    with WorkerHost(tmp_path, env=env).connect() as host:
        assert host.init() == 0
        yield host


def test_it_describes_itself(host: WorkerHost) -> None:
    found = host.describe("unused")
    assert json.loads(found.schema)["meta"]["serviceId"] == "mine"
    assert found.frames == frames.VERSION
    assert found.batches
    assert Path(found.data_address).is_socket()


def running_calls(host: WorkerHost) -> int:
    return int(host.control.Heartbeat(control_pb.HeartbeatRequest(), timeout=5).running_calls)


def wait_for_calls(host: WorkerHost, count: int) -> None:
    until = time.monotonic() + LIMIT_S
    while running_calls(host) != count:
        assert time.monotonic() < until


def test_it_shows_life_and_how_many_calls_it_has(host: WorkerHost) -> None:
    assert running_calls(host) == 0
    with host.lane() as lane, host.lane() as batch:
        lane.send(b"", "a", do="wait")
        batch.send(b"", "b", more=1, do="wait")
        batch.send(b"", "c")
        wait_for_calls(host, 3)
        assert host.once(b"", "d", do="go on").ret == 0
        assert [lane.answer("a").ret, batch.answer("b").ret, batch.answer("c").ret] == [0, 0, 0]
    wait_for_calls(host, 0)


def test_resources_are_loaded_and_unloaded(host: WorkerHost) -> None:
    def load(name: str) -> tuple[int, str]:
        resource = control_pb.Resource(id=name, key="adapter", data=b"weights", desc={"a": "b"})
        outcome = host.control.LoadResource(resource, timeout=5)
        return outcome.code, outcome.text

    assert load("one") == (0, "")
    assert host.once(do="loaded").list[0].data == b"{'one': ('adapter', b'weights', {'a': 'b'})}"
    assert load("bad") == (77, "code 77")
    assert load("worse")[0] == 30003
    assert "ValueError: no such adapter" in load("worse")[1]
    unload = control_pb.ResourceId(id="one")
    assert host.control.UnloadResource(unload, timeout=5).code == 0
    assert host.once(do="loaded").list[0].data == b"{}"
    assert host.control.UnloadResource(unload, timeout=5).code == 30003


def test_it_shows_where_its_threads_are(host: WorkerHost) -> None:
    with host.lane() as lane:
        lane.send(b"", "a", do="wait")
        until = time.monotonic() + LIMIT_S
        text = ""
        while "GO_ON.wait(20)" not in text:
            text = host.control.DumpStacks(control_pb.DumpRequest(), timeout=5).text
            assert time.monotonic() < until
        assert "Thread lane_1:" in text


def test_user_code_can_see_that_nobody_waits(host: WorkerHost) -> None:
    def cancel(*tags: str) -> None:
        host.control.Cancel(control_pb.CancelRequest(tags=tags), timeout=5)

    cancel("unknown", "second")
    with host.lane() as lane:
        lane.send(b"", "first", do="until cancelled")
        lane.send(b"", "second", do="until cancelled")  # not run at all
        lane.send(b"", "third", do="until cancelled")
        wait_for_calls(host, 1)
        cancel("first")
        assert lane.answer("first").list[0].data == b"('first', True)"
        second = lane.answer("second")
        assert second.ret == 10102
        assert b"nobody waited" in second.list[0].data
        wait_for_calls(host, 1)
        cancel("third")
        assert lane.answer("third").ret == 0
        soon = time.monotonic_ns() // 1000 + 100_000
        lane.send(b"", "late", deadline_us=soon, do="until cancelled")
        assert lane.answer("late").list[0].data == b"('late', False)"


@pytest.mark.parametrize("by", ["deadline", "cancel"])
def test_a_callback_that_never_comes_does_not_keep_its_lane(host: WorkerHost, by: str) -> None:
    with host.lane() as lane:
        soon = time.monotonic_ns() // 1000 + 100_000 if by == "deadline" else 0
        lane.send(b"", "silent", deadline_us=soon, do="silent")
        if by == "cancel":
            wait_for_calls(host, 1)
            host.control.Cancel(control_pb.CancelRequest(tags=["silent"]), timeout=5)
        assert lane.answer("silent").ret == 10102
        assert lane.once(b"x", "next").list[0].data == b"x"
    wait_for_calls(host, 0)


def test_what_is_cancelled_and_never_comes_is_forgotten(host: WorkerHost) -> None:
    for number in range(30):
        tags = [f"{number}-{at}" for at in range(100)]
        host.control.Cancel(control_pb.CancelRequest(tags=tags), timeout=5)
    assert host.once(b"x", "0-0").list[0].data == b"x"  # one of the oldest
    assert host.once(b"x", "29-99").ret == 10102


def test_it_leaves_when_told_and_runs_wrapper_fini(host: WorkerHost) -> None:
    path = Path(host.describe().data_address)
    host.control.Stop(control_pb.StopRequest(grace_seconds=5), timeout=5)
    assert host.process.wait(LIMIT_S) == 0
    assert not path.exists()


def test_wrapper_fini_gets_no_more_than_its_grace(host: WorkerHost) -> None:
    host.control.Stop(control_pb.StopRequest(grace_seconds=0.01), timeout=5)
    assert host.process.wait(LIMIT_S) == 0
    assert "wrapperFini still runs after 0.0 s" in host.stderr.text()


def test_a_call_that_comes_too_late_is_not_run(host: WorkerHost) -> None:
    with host.lane() as lane:
        past = time.monotonic_ns() // 1000 - 1
        lane.send(b"x", "late", deadline_us=past)
        answer = lane.answer("late")
        assert (answer.ret, answer.list[0].data) == (10102, b"its deadline passed before it began")
        lane.send(b"x", "first", more=1, deadline_us=past)
        lane.send(b"y", "second")
        assert [lane.answer("first").ret, lane.answer("second").ret] == [10102, 0]


@pytest.mark.parametrize("size", [0, 1, 65_000, 66_000, 200_000, 3 << 20])
def test_data_of_any_size_in_any_pieces(host: WorkerHost, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    head = frames.call(1, "t", {}, [("text", size, 0, 3, {})])
    whole = (head + data) * 3  # the next calls come while one runs
    step = max(7, size // 5)
    with host.lane() as lane:

        def send() -> None:
            for at in range(0, len(whole), step):
                lane.socket.sendall(whole[at : at + step])

        sending = threading.Thread(target=send)  # a worker that writes an answer reads nothing
        sending.start()
        for _ in range(3):
            assert lane.answer("t").list[0].data == data
        sending.join(LIMIT_S)


GOOD = frames.call(1, "t", {}, [("text", 5, 0, 3, {})]) + b"hello"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "frame version 69, we speak 1"),
        (GOOD[:1] + b"\x09" + GOOD[2:], "frame version 9, we speak 1"),
        (b"\x63" + GOOD[1:], "unknown kind of frame: 99"),
        (frames.failure(1, 5, "x"), "expected a CALL, got FAILURE"),
        (GOOD[:8] + b"\xff" * 4 + GOOD[12:], "meta of 4294967295 bytes, at most"),
        (GOOD[:24] + b"\xff" * 8 + GOOD[32:], "data of 18446744073709551615 bytes, at most"),
        (GOOD[:12] + struct.pack("<I", 4096) + GOOD[16:], "a batch of 4097 calls, at most"),
        (GOOD.replace(b'["t",', b'["t"}'), "meta is not JSON"),
        (GOOD.replace(b'["t",{}', b'["t",[]'), "expected [tag, params, items] in a CALL"),
        (GOOD.replace(b'"text",5', b'"text",4'), "the sizes of the items do not add up"),
    ],
)
def test_what_is_no_call_ends_that_lane_and_no_other(
    host: WorkerHost, sent: bytes, said: str
) -> None:
    with host.lane() as lane:
        lane.socket.sendall(sent)
        assert hung_up(lane)
    assert "lane closed: " in (line := host.stderr.until(said))
    assert "Traceback" not in line
    assert host.once(b"still here").list[0].data == b"still here"


@pytest.mark.parametrize("kept", [10, 40, len(GOOD) - 2])
def test_a_frame_that_is_cut_off_ends_that_lane(host: WorkerHost, kept: int) -> None:
    with host.lane() as lane:
        lane.socket.sendall(GOOD[:kept])
        lane.socket.shutdown(socket.SHUT_WR)
        assert hung_up(lane)
    host.stderr.until("bytes before its end")
    assert host.once(b"still here").list[0].data == b"still here"


def test_a_batch_that_is_cut_off_runs_nothing(host: WorkerHost) -> None:
    with host.lane() as lane:
        lane.send(b"", "a", more=2)
        lane.send(b"", "b")
        lane.socket.shutdown(socket.SHUT_WR)
        assert hung_up(lane)
    host.stderr.until("a batch was cut off 1 calls before its end")


def test_there_are_no_more_lanes_than_calls_at_once(host: WorkerHost) -> None:
    with host.lane(), host.lane(), host.lane() as last:
        assert last.once(b"x", "t").list[0].data == b"x"  # all three are taken in
        with host.lane() as one_too_many:
            assert hung_up(one_too_many)
    host.stderr.until("more lanes were opened than the 3 calls at once")


def test_a_peer_that_hangs_up_in_a_call_costs_nothing_else(host: WorkerHost) -> None:
    lane = host.lane()
    lane.send(b"", "a", do="wait")
    lane.close()
    assert host.once(b"", "b", do="go on").ret == 0
    assert host.once(b"x", "c").list[0].data == b"x"
    host.process.send_signal(signal.SIGTERM)
    assert host.process.wait(LIMIT_S) == 0
    assert "Traceback" not in host.stderr.text()


def hung_up(lane: LaneClient) -> bool:
    """Say whether the worker hung up: what it has not read makes that a reset."""
    try:
        return lane.hung_up()
    except ConnectionResetError:
        return True
