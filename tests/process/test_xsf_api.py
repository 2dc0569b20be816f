"""The XSF services over a real gRPC connection, with a backend whose sessions tests play."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from aiohttp import web
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from aiges_loader.calls import NOTHING_BESIDE, Call, Datum, Reply
from aiges_loader.errors import (
    CallError,
    NoResourcesError,
    NoWorkerError,
    ResourceError,
    ResourceLimitError,
    SessionStepError,
    WorkerDiedError,
    WrapperError,
    WrapperFailedError,
)
from aiges_loader.frontend.grpc_api import GrpcApi, GrpcSettings
from aiges_loader.frontend.request_tally import RequestTally
from aiges_loader.frontend.token_bucket import TokenBucket
from aiges_loader.frontend.xsf_api import SERVICES, XsfApi, XsfSettings
from aiges_loader.sessions.session import Result
from aiges_wire.codes import Code
from aiges_wire.pb import xsf_pb2 as xsf
from support.memory_resources import MemoryResources
from support.memory_sessions import MemoryBackend, MemorySession
from support.waiting import until
from support.xsf_client import (
    CALL,
    EXPECTED,
    LIMIT_S,
    TOOL,
    call_json,
    payload_json,
    reply_json,
    request_bytes,
)

ENDED = (10101, "service instance inactive, already release")
UNKNOWN = (10008, "service instance invalid")


async def shout(call: Call) -> Reply:
    return Reply((Datum("result", bytes(call.inputs[0].data).upper(), 0, 3),))


class Server:
    """The gRPC port of a service without workers."""

    def __init__(
        self, backend: MemoryBackend, *, attempts: int = 1, bucket: TokenBucket | None = None
    ) -> None:
        self.backend = backend
        self.resources = MemoryResources()
        self.tally = RequestTally()
        self.is_ready = True
        port = GrpcSettings("127.0.0.1", 0, "[svc] port", 4 << 20, 4 << 20, share=False)
        self.grpc = GrpcApi(port)
        self.api = XsfApi(
            backend,
            XsfSettings(("appid", "sid"), http_attempts=attempts, max_download_bytes=1000),
            resources=self.resources,
            address="127.0.0.1",
            port=self.grpc.port,
            bucket=bucket or TokenBucket(interval_s=0.0, burst=0),
            tally=self.tally,
            is_ready=lambda: self.is_ready,
        )
        self.grpc.serve(SERVICES, self.api.handlers())
        self.channel = grpc.aio.insecure_channel(f"127.0.0.1:{self.grpc.port}")
        self._call = self.channel.unary_unary(CALL)
        self._tool = self.channel.unary_unary(TOOL)

    async def __aenter__(self) -> "Server":
        await self.grpc.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.close()
        await self.api.__aexit__()
        await self.grpc.stop(1.0)

    async def send(self, op: str, **arguments: Any) -> dict[str, Any]:
        return await self.send_bytes(request_bytes(call_json(op, **arguments)))

    async def send_bytes(self, data: bytes) -> dict[str, Any]:
        return reply_json(await self._call(data, timeout=LIMIT_S))

    async def output(self, op: str, **arguments: Any) -> dict[str, Any]:
        reply = await self.send(op, **arguments)
        (entry,) = reply["data"]
        found: dict[str, Any] = entry["LoaderOutput"]
        return found

    async def error(self, op: str, **arguments: Any) -> tuple[int, str]:
        output = await self.output(op, **arguments)
        assert output["status"] == "END"
        assert "serviceId" not in output
        return output["code"], output["err"]

    async def tool(self, query: str, headers: str = '{"method": "GET"}') -> str:
        request = xsf.Request(query=query, headers=headers).SerializeToString()
        return xsf.Response.FromString(await self._tool(request, timeout=LIMIT_S)).body

    async def once(self, **arguments: Any) -> dict[str, Any]:
        return await self.output(
            "AIIn", **{"SeqNo": "1", "waitTime": "9000", "data": once_data(), **arguments}
        )

    async def failed_once(self, **arguments: Any) -> tuple[int, str]:
        output = await self.once(**arguments)
        return output["code"], output["err"]

    async def open(self, handle: str = "h1", **data: Any) -> MemorySession:
        output = await self.output(
            "AIIn", handle=handle, SeqNo="1", data={"expect": [EXPECTED], **data}
        )
        assert "code" not in output
        return self.backend.live[handle]


def once_data(**more: Any) -> dict[str, Any]:
    return {
        "serviceId": "svc",
        "state": "ONCE",
        "expect": [EXPECTED],
        "pl": [payload_json(status="3")],
        **more,
    }


def text_of(output: dict[str, Any]) -> bytes:
    (payload,) = output["pl"]
    return base64.b64decode(payload["data"])


def result(text: bytes = b"x", status: int = 1, desc: Mapping[str, str] = NOTHING_BESIDE) -> Result:
    return Result((Datum("result", text, 0, status, desc),), is_last=status in (2, 3))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(MemoryBackend(shout)) as running:
        yield running


async def test_a_once_call_gets_the_handle_as_its_tag_and_the_headers_that_are_passed(
    server: Server,
) -> None:
    data = once_data(
        headers={"sid": "s", "appid": "a", "uid": "u"},
        params={"appid": "mine", "mode": "x"},
        pl=[payload_json(b"hi", status="3", encoding="utf8")],
    )
    reply = await server.send("AIIn", handle="mine", SeqNo="1", data=data)
    assert reply["s"] == {"h": "mine", "sess": {"PeerAddr": f"127.0.0.1:{server.grpc.port}"}}
    (call,) = server.backend.calls
    assert call.sid == "mine"
    assert call.params == {"appid": "mine", "mode": "x", "sid": "s"}
    assert call.inputs == (Datum("input", b"hi", 0, 3, {"encoding": "utf8"}),)
    assert await server.error("AIOut", handle="mine") == ENDED
    assert server.tally.by_code == {0: 1}


async def test_a_client_without_a_handle_gets_one_that_says_where_we_are(server: Server) -> None:
    handles = {(await server.send("ping"))["s"]["h"] for _ in range(3)}
    assert len(handles) == 3
    place = f"07f000001{server.grpc.port:04x}"
    assert all(len(handle) == 26 and handle.startswith(place) for handle in handles)


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (WrapperError(1234, "bad picture"), (10910, "bad picture;code=1234")),
        (WrapperFailedError("it raised"), (10910, "it raised;code=30003")),
        (WorkerDiedError("killed"), (10109, "the worker died during the call: killed")),
        (RuntimeError("a bug"), (30003, "internal error; the log says more")),
    ],
)
async def test_an_error_of_a_once_call_is_in_the_output_alone(
    server: Server, error: Exception, seen: tuple[int, str]
) -> None:
    async def fail(call: Call) -> Reply:
        raise error

    server.backend.answer = fail
    reply = await server.send("AIIn", SeqNo="1", data=once_data())
    assert "code" not in reply
    output = reply["data"][0]["LoaderOutput"]
    assert (output["code"], output["err"]) == seen
    assert await server.error("AIOut", handle=reply["s"]["h"]) == ENDED


async def test_a_refusal_stands_outside_the_output_too_and_leaves_no_handle(
    server: Server,
) -> None:
    async def refuse(call: Call) -> Reply:
        raise NoWorkerError("backoff")

    server.backend.answer = refuse
    reply = await server.send("AIIn", SeqNo="1", data=once_data())
    text = "no worker is ready: backoff"
    assert (reply["code"], reply["error_info"]) == (10110, text)
    assert reply["data"][0]["LoaderOutput"]["code"] == 10110
    assert await server.error("AIOut", handle=reply["s"]["h"]) == UNKNOWN


async def test_a_once_call_waits_as_long_as_its_client_does(server: Server) -> None:
    async def never(call: Call) -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    server.backend.answer = never
    late = (10102, "service exec once request timeout")
    assert await server.failed_once(waitTime="50") == late
    assert len(server.backend.calls) == 1
    assert await server.failed_once(waitTime="0") == late
    assert await server.failed_once(waitTime="soon") == late
    assert len(server.backend.calls) == 1  # nobody would have waited for the others


async def test_a_client_that_leaves_frees_its_call(server: Server) -> None:
    begun, freed = asyncio.Event(), asyncio.Event()

    async def never(call: Call) -> Reply:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            freed.set()
        raise AssertionError

    server.backend.answer = never
    data = request_bytes(call_json("AIIn", SeqNo="1", waitTime="60000", data=once_data()))
    call = server.channel.unary_unary(CALL)(data)
    async with asyncio.timeout(LIMIT_S):
        await begun.wait()
        call.cancel()
        await freed.wait()
    await until(lambda: server.tally.in_flight == 0, "the call is counted")
    assert server.tally.by_code == {"none": 1}


async def test_one_handle_is_one_call_at_a_time(server: Server) -> None:
    go_on, begun = asyncio.Event(), asyncio.Event()

    async def wait(call: Call) -> Reply:
        begun.set()
        await go_on.wait()
        return await shout(call)

    server.backend.answer = wait
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(server.once(handle="h"))
        await begun.wait()
        taken = (10110, "handle:h is already stored")
        assert await server.failed_once(handle="h") == taken
        assert await server.error("AIIn", handle="h", SeqNo="1", data={}) == taken
        go_on.set()
    assert text_of(first.result()) == b"HELLO"
    assert text_of(await server.once(handle="h")) == b"HELLO"  # free again


async def test_outputs_must_be_expected_by_name_and_type(server: Server) -> None:
    as_image = [{**EXPECTED, "dataType": "IMAGE"}]
    other = (10106, "wrapper output data invalid(key or type)")
    nil = (10106, "wrapper output data is nil ")
    assert await server.failed_once(data=once_data(expect=as_image)) == other
    assert await server.failed_once(data=once_data(expect=[])) == nil
    session = await server.open(expect=as_image)
    session.give(result())
    assert await server.error("AIOut", handle="h1") == other
    assert await server.error("AIOut", handle="h1") == ENDED
    session = await server.open("h2", expect=[])
    session.give(result())
    assert await server.error("AIOut", handle="h2") == other


async def test_a_session_numbers_its_results_and_keeps_their_desc(server: Server) -> None:
    session = await server.open(serviceId="svc", sync_id=7, pl=[payload_json(b"0", status="0")])
    assert session.opening.base == 7
    assert session.opening.params == {"appid": "", "sid": ""}
    desc = {"encoding": "wrong", "score": "0.5", "seq": "9", "status": "8"}
    session.give(result(b"a", 1, desc))
    session.give(Result((), is_last=False))  # says nothing, so nobody hears of it
    session.give(result(b"b", 2))
    output = await server.output("AIIn", handle="h1", data={"sync_id": 8})
    assert session.written == [(7, (Datum("input", b"0", 0, 0, {}),)), (8, ())]
    assert output["pl"][0]["meta"] == {
        "name": "result",
        "attribute": {"encoding": "utf8", "score": "0.5", "seq": "1", "status": "1"},
    }
    assert output["status"] == "CONTINUE"
    assert "serviceId" not in output  # that of this call
    output = await server.output("AIOut", handle="h1", data={"serviceId": "again"})
    assert (text_of(output), output["status"], output["serviceId"]) == (b"b", "END", "again")
    assert output["pl"][0]["meta"]["attribute"]["seq"] == "2"
    assert await server.error("AIOut", handle="h1") == ENDED


async def test_feeding_never_waits_for_results_and_fetching_does(server: Server) -> None:
    session = await server.open()
    assert await server.output("AIIn", handle="h1", waitTime="60000", data={"sync_id": 1}) == {}
    assert await server.output("AIOut", handle="h1", waitTime="20") == {}
    assert await server.output("AIOut", handle="h1", waitTime="0") == {}
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(server.output("AIOut", handle="h1", waitTime="20000"))
        await asyncio.sleep(0)
        session.give(result(b"late"))
    assert text_of(waiting.result()) == b"late"


@pytest.mark.parametrize(("step", "code"), [("create", 10905), ("write", 10907), ("read", 10908)])
async def test_a_step_that_failed_is_told_by_its_number(
    server: Server, step: str, code: int
) -> None:
    session = await server.open()
    session.give(SessionStepError(code, 777, f"{step} failed"))
    error = await server.error("AIIn", handle="h1", data={"sync_id": 1})
    assert error == (code, f"{step} failed;code=777")
    assert await server.error("AIIn", handle="h1", data={"sync_id": 2}) == ENDED


async def test_a_package_that_cannot_be_read_ends_its_session(server: Server) -> None:
    await server.open()
    code, text = await server.error("AIIn", handle="h1", data={"pl": [{"data": "eA=="}]})
    assert (code, text) == (10009, "input invalid data: a payload has no meta")
    assert await server.error("AIIn", handle="h1") == ENDED


async def test_a_session_is_dropped_by_its_client(server: Server) -> None:
    await server.open()
    assert await server.output("AIExcp", handle="h1", data={"serviceId": "s"}) == {"serviceId": "s"}
    assert await server.error("AIExcp", handle="h1") == ENDED
    # As the first call of its handle, it opens and drops.
    assert await server.output("AIExcp", handle="h2", SeqNo="1") == {}
    assert await server.error("AIOut", handle="h2") == ENDED
    assert server.backend.licences_taken == 0


async def test_a_handle_that_lives_is_not_opened_again(server: Server) -> None:
    session = await server.open()
    error = await server.error("AIIn", handle="h1", SeqNo="1", data={})
    assert error == (10110, "handle:h1 is already stored")
    assert server.backend.live == {"h1": session}


async def test_a_full_session_holds_its_client_up(server: Server) -> None:
    session = await server.open()
    session.room.clear()
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        feeding = tasks.create_task(server.output("AIIn", handle="h1", data={"sync_id": 1}))
        done, _ = await asyncio.wait([feeding], timeout=0.1)
        assert not done
        session.room.set()
    assert feeding.result() == {}


@pytest.mark.parametrize(
    ("attributes", "error"),
    [
        ({"dataSrc": "ftp"}, "input invalid data source"),
        ({"dataSrc": "http"}, "input invalid http url"),
        ({"dataSrc": "s3", "access": "a"}, "input invalid s3 tags"),
        ({"dataSrc": "http", "url": "http://127.0.0.1:1/"}, "http download fail with "),
        ({"dataSrc": "http", "url": "file:///etc/hosts"}, "http download fail with "),
        ({"dataSrc": "http", "url": "::"}, "http download fail with "),
    ],
)
async def test_data_that_cannot_be_fetched_is_an_error(
    server: Server, attributes: dict[str, str], error: str
) -> None:
    data = once_data(pl=[payload_json(status="3", **attributes)])
    code, text = await server.failed_once(data=data)
    assert code == 10009
    assert text.startswith(error)
    assert server.backend.calls == []


async def test_data_with_complete_s3_tags_is_what_came_with_the_call(server: Server) -> None:
    tags = dict.fromkeys(("access", "secret", "endpoint", "bucket", "key"), "x")
    data = once_data(pl=[payload_json(b"own", status="3", dataSrc="s3", **tags)])
    assert text_of(await server.once(data=data)) == b"OWN"


@asynccontextmanager
async def serving(page: Callable[[], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """Serve a page; yield its URL."""

    async def answer(request: web.BaseRequest) -> web.Response:
        return await page()

    web_server = web.Server(answer)
    listener = socket.create_server(("127.0.0.1", 0))
    site = await asyncio.get_running_loop().create_server(web_server, sock=listener)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
    finally:
        site.close()
        await web_server.shutdown(1.0)


async def download_of(
    server: Server, page: Callable[[], Awaitable[web.Response]]
) -> dict[str, Any]:
    async with serving(page) as url:
        data = once_data(pl=[payload_json(b"", status="3", dataSrc="http", url=url)])
        return await server.once(data=data)


async def test_data_is_downloaded(server: Server) -> None:
    async def page() -> web.Response:
        return web.Response(body=b"from afar")

    assert text_of(await download_of(server, page)) == b"FROM AFAR"


async def test_a_download_is_tried_as_often_as_configured() -> None:
    asked = 0

    async def page() -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(status=404) if asked < 3 else web.Response(body=b"at last")

    async with Server(MemoryBackend(shout), attempts=2) as server:
        output = await download_of(server, page)
    assert (output["code"], output["err"]) == (10009, "http download fail with 404 Not Found")
    assert asked == 2
    asked = 0
    async with Server(MemoryBackend(shout), attempts=3) as server:
        assert text_of(await download_of(server, page)) == b"AT LAST"


async def test_a_download_may_not_be_too_long(server: Server) -> None:
    async def page() -> web.Response:
        return web.Response(body=b"x" * 1001)

    output = await download_of(server, page)
    assert output["err"] == "http download fail with more than 1000 bytes"


def resource_data(*payloads: dict[str, Any], **params: str) -> dict[str, Any]:
    return {"serviceId": "svc", "params": params, "pl": list(payloads)}


async def test_resources_come_and_go(server: Server) -> None:
    brought = payload_json(b"weights", "adapter", status="3", rank="8")
    data = resource_data(brought, patch_id="7")
    assert await server.output("AILoad", data=data) == {"serviceId": "svc"}
    (loaded,) = server.resources.loaded.values()
    assert (loaded.id, loaded.key, loaded.data) == ("7", "adapter", b"weights")
    assert loaded.desc == {"rank": "8", "patch_id": "7"}
    for gone in (resource_data(patch_id="8"), resource_data(), resource_data(patch_id="7")):
        assert list(server.resources.loaded) == ["7"]
        assert await server.output("AIUnLoad", data=gone) == {"serviceId": "svc"}
    assert not server.resources.loaded


async def test_nothing_is_loaded_without_a_payload_or_where_no_wrapper_loads(
    server: Server,
) -> None:
    data = resource_data(patch_id="7")
    assert await server.output("AILoad", data=data) == {"serviceId": "svc"}
    server.resources.is_taken = False
    for data in (resource_data(payload_json(), patch_id="7"), resource_data(payload_json())):
        assert await server.output("AILoad", data=data) == {"serviceId": "svc"}
    assert not server.resources.loaded


async def test_a_resource_without_a_name_is_refused(server: Server) -> None:
    text = "a resource needs an id: the param patch_id"
    assert await server.error("AILoad", data=resource_data(payload_json())) == (10009, text)


async def test_a_resource_may_lie_elsewhere(server: Server) -> None:
    async def page() -> web.Response:
        return web.Response(body=b"from afar")

    async with serving(page) as url:
        brought = payload_json(b"", dataSrc="http", url=url)
        await server.output("AILoad", data=resource_data(brought, patch_id="7"))
    assert server.resources.loaded["7"].data == b"from afar"


@pytest.mark.parametrize(
    ("problem", "seen"),
    [
        (ResourceError(Code.LOAD_FAILED, 55, "no room"), (10903, "no room;code=55")),
        (ResourceError(Code.UNLOAD_FAILED, 66, ""), (10904, ";code=66")),
        (WorkerDiedError("killed"), (10109, "the worker died during the call: killed")),
        (ResourceLimitError("7", "too large"), (10009, "resource 7 is not loaded: too large")),
        (
            NoResourcesError(),
            (10003, "a worker that speaks version 1 of the worker protocol has no resources"),
        ),
    ],
)
async def test_why_a_resource_is_not_loaded_is_told(
    server: Server, problem: CallError, seen: tuple[int, str]
) -> None:
    server.resources.problem = problem
    data = resource_data(payload_json(), patch_id="7")
    assert await server.error("AILoad", data=data) == seen
    assert await server.error("AIUnLoad", data=data) == seen


async def test_a_service_that_stops_changes_no_resources(server: Server) -> None:
    server.api.draining = True
    data = resource_data(payload_json(), patch_id="7")
    for op in ("AILoad", "AIUnLoad"):
        assert (await server.error(op, data=data))[0] == 10110


async def test_licences_follow_the_operator(server: Server) -> None:
    server.backend.licences_limit = 1

    async def change(number: str) -> None:
        assert await server.output("AILBType", lbType="x", authzNo=number, timeout="10") == {}

    async def refused(handle: str) -> str:
        reply = await server.send("AIIn", handle=handle, SeqNo="1", data={})
        assert reply["code"] == 10110
        assert reply["data"][0]["LoaderOutput"]["err"] == reply["error_info"]
        return str(reply["error_info"])

    await server.open("a")
    assert await refused("b") == "service license not enough"
    await change("2")
    await server.open("b")
    assert await refused("c") == "service license not enough"
    await server.output("AIExcp", handle="b")
    await change("1")
    assert await refused("c") == "lack of license -> now:1,max:1"
    for number in ("0", "-1", "many", ""):
        await change(number)
    assert server.backend.licences_limit == 1


async def test_too_many_calls_are_refused() -> None:
    bucket = TokenBucket(interval_s=3600.0, burst=2)
    async with Server(MemoryBackend(shout), bucket=bucket) as server:
        for _ in range(2):
            assert "code" not in await server.send("ping")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await server.send("ping")
    assert refused.value.code() is grpc.StatusCode.UNKNOWN
    text = "request traffic exceeds limit,and rateFallback not defined"
    assert refused.value.details() == text


async def test_bytes_that_are_no_message_are_refused(server: Server) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await server.send_bytes(b"\xff\xff\xff")
    assert refused.value.code() is grpc.StatusCode.INTERNAL
    message = xsf.ReqData(op="AILoad", data=[xsf.DataMeta(data=b"\xff\xff\xff")])
    reply = await server.send_bytes(message.SerializeToString())
    assert reply["data"][0]["LoaderOutput"]["code"] == 10401


async def test_a_message_over_the_limit_is_refused(server: Server) -> None:
    data = once_data(pl=[payload_json(b"x" * (4 << 20))])
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await server.send("AIIn", SeqNo="1", data=data)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_service_that_stops_begins_nothing_and_finishes_the_rest(server: Server) -> None:
    session = await server.open()
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(server.output("AIOut", handle="h1", waitTime="20000"))
        await until(lambda: server.api.running == 1, "the call has begun")
        draining = tasks.create_task(server.api.drain(LIMIT_S))
        await until(lambda: server.api.draining, "it drains")
        code, text = await server.failed_once()
        assert (code, text) == (10110, "no worker is ready: the service is stopping")
        assert not draining.done()
        session.give(result(b"done", 2))
    assert text_of(waiting.result()) == b"done"


async def test_an_operator_asks_for_health(server: Server) -> None:
    assert await server.tool('{"cmd": "health"}') == "health staus:"
    server.is_ready = False
    assert "err" in await server.tool('{"cmd": "health"}')
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await server.tool("", "{}")
    assert refused.value.code() is grpc.StatusCode.UNKNOWN
    assert refused.value.details() == "query:,err:unexpected end of JSON input"


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_reflection_shows_the_services(server: Server, version: str) -> None:
    ask = server.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="utils.XsfCall"),
        reflection_pb2.ServerReflectionRequest(file_by_filename="xsf.proto"),
    ]
    listed, containing, named = [answer async for answer in ask(requests, timeout=LIMIT_S)]
    assert {service.name for service in listed.list_services_response.service} == {
        "utils.XsfCall",
        "utils.ToolBox",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    files = containing.file_descriptor_response.file_descriptor_proto
    assert files == named.file_descriptor_response.file_descriptor_proto
    assert files[0].startswith(b"\n\x09xsf.proto")


async def test_health_is_still_there(server: Server) -> None:
    await server.grpc.set_ready(ready=True)
    stub = health_pb2_grpc.HealthStub(server.channel)  # type: ignore[no-untyped-call]
    answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=LIMIT_S)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
