"""The client against the service that it is for: each transport, for threads and for asyncio."""

import asyncio
import json
import os
import shutil
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest

from aiges.client import (
    AnswerTimeoutError,
    AsyncClient,
    BadOutputError,
    BusyError,
    Client,
    ClientError,
    ConnectionLostError,
    Description,
    Input,
    RefusedRequestError,
    SessionEndedError,
    UnexpectedAnswerError,
    UnreachableError,
    WorkerDiedError,
    WrapperError,
)
from support.service import ROOT, Service
from support.session_wrappers import CALLBACK
from support.waiting import LIMIT_S, until

SERVED = CALLBACK.replace(
    "    def wrapperCreate(",
    """
    def wrapperOnceExec(self, params, req):
        order, _, rest = req.list[0].data.partition(b" ")
        if order == b"code":
            return Response().response_err(int(rest))
        if order == b"raise":
            raise KeyError(rest.decode())
        if order == b"exit":
            os._exit(3)
        if order == b"sleep":
            time.sleep(float(rest))
        if order == b"resource":
            return response(repr(self.loaded.get(params["patch_id"])).encode(), 3)
        return response(params.get("before", "").encode() + req.list[0].data + b"!", 3)

    loaded = {}

    def wrapperLoadRes(self, reqData, resId):
        (node,) = reqData.list
        if node.data == b"refuse":
            return 9
        self.loaded[resId] = (node.key, node.data, node.desc.get("rank"))
        return 0

    def wrapperUnloadRes(self, resId):
        del self.loaded[resId]
        return 0

    def wrapperCreate(""",
)
"""The wrapper that takes orders in sessions, and the same orders in calls."""

TOLD = Description(service_id="streamed", inputs={"text": "text"}, outputs={"result": "text"})
"""What a client that speaks XSF gRPC has to be told."""

DIES_OFTEN = {"maxRestarts": 100, "backoffMax": 0.1}

SCHEMES = ("http", "ws", "grpc")
EVERY_WAY = pytest.mark.parametrize("scheme", SCHEMES)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("client")
    (folder / "wrapper.py").write_text(SERVED)
    with Service(folder, pool={"concurrency": 4, **DIES_OFTEN}).ready() as service:
        yield service


@pytest.fixture(autouse=True)
def nothing_is_left(served: Service) -> Iterator[None]:
    yield
    wait_for(lambda: licences(served) == 0, "all licences back")


def licences(service: Service) -> int:
    return int(service.admin("GET", "/status").json["licences"]["taken"])


def wait_for(condition: Callable[[], object], what: str) -> None:
    asyncio.run(until(condition, what))


def address(service: Service, scheme: str) -> dict[str, Any]:
    if scheme == "grpc":
        return {"url": f"grpc://127.0.0.1:{service.grpc_port}", "description": TOLD}
    return {"url": f"{scheme}://127.0.0.1:{service.http_port}"}


def client_of(service: Service, scheme: str, **settings: Any) -> Client:
    return Client(**address(service, scheme), **{"timeout_s": LIMIT_S, **settings})


def async_client_of(service: Service, scheme: str, **settings: Any) -> AsyncClient:
    return AsyncClient(**address(service, scheme), **{"timeout_s": LIMIT_S, **settings})


# Calls:


@EVERY_WAY
def test_a_call_is_answered(served: Service, scheme: str) -> None:
    with client_of(served, scheme) as client:
        if scheme == "http":
            answer = client.once(text="héllo", params={"before": "oh "}, expect={"result": "text"})
            assert answer.text == "oh héllo!"
        else:
            answer = client.once(text=b"h\xc3\xa9llo", expect={"result": "text"})
            assert answer.text == "héllo!"
        assert answer["result"].data == answer.data
        assert answer["result"].kind == "text"
        assert answer.is_last
        assert answer.sid


@EVERY_WAY
async def test_calls_run_side_by_side(served: Service, scheme: str) -> None:
    async with async_client_of(served, scheme) as client:
        answers = await asyncio.gather(*(client.once(f"n{number}") for number in range(20)))
    assert [answer.text for answer in answers] == [f"n{number}!" for number in range(20)]


def test_the_service_says_what_it_is(served: Service) -> None:
    with client_of(served, "http") as client:
        found = client.describe()
    assert found == Description(
        "streamed", "/v1/private/streamed", {"text": "text"}, {"result": "text"}
    )


def test_a_connection_is_used_again(served: Service) -> None:
    with client_of(served, "http") as client:
        ports = set()
        for _ in range(5):
            client.once(text=b"x")
            ports.update(established(served))
    assert len(ports) == 1


def established(service: Service) -> list[int]:
    """Return the ports of this process that are connected to the service's HTTP port."""
    import psutil  # noqa: PLC0415

    return [
        connection.laddr.port
        for connection in psutil.Process().net_connections("tcp4")
        if connection.raddr
        and connection.raddr.port == service.http_port
        and connection.status == psutil.CONN_ESTABLISHED
    ]


# Errors, one of each kind:


@EVERY_WAY
@pytest.mark.parametrize(
    ("order", "expected", "code", "words"),
    [
        ("code 77", WrapperError, 77, "text of 77"),
        ("raise such", WrapperError, 30003, "such"),
        ("exit", WorkerDiedError, 10109, "died"),
    ],
)
def test_what_the_wrapper_does_wrong_is_told(  # noqa: PLR0917 - a table
    served: Service, scheme: str, order: str, expected: type[ClientError], code: int, words: str
) -> None:
    before = len(served.log)
    with client_of(served, scheme) as client:
        with pytest.raises(expected, match=words) as caught:
            client.once(order)
        assert caught.value.code == code
        assert caught.value.sid
        assert caught.value.may_have_run
        assert caught.value.can_retry is (expected is WorkerDiedError)
        if expected is WorkerDiedError:
            served.wait_for("worker ready", after=before)
        assert client.once("again").text == "again!"


@EVERY_WAY
def test_an_output_that_is_not_expected_is_an_error(served: Service, scheme: str) -> None:
    with client_of(served, scheme) as client, pytest.raises(BadOutputError) as caught:
        client.once("x", expect={"another": "text"})
    assert not caught.value.can_retry


@EVERY_WAY
def test_a_client_waits_no_longer_than_it_is_told(served: Service, scheme: str) -> None:
    with client_of(served, scheme) as client:
        client.once("warm")
        began = time.monotonic()
        with pytest.raises(TimeoutError) as caught:
            client.once("sleep 1", timeout_s=0.1)
        assert time.monotonic() - began < 1.0
        assert isinstance(caught.value, AnswerTimeoutError)
        assert caught.value.can_retry


def test_a_request_that_is_refused_says_so(served: Service) -> None:
    with client_of(served, "http") as client, pytest.raises(RefusedRequestError) as caught:
        client.once({}, expect={"result": "text"})
    assert caught.value.code == 10009
    assert not caught.value.can_retry


@EVERY_WAY
def test_a_service_that_is_not_there_is_unreachable(scheme: str, unused_port: int) -> None:
    told = TOLD if scheme == "grpc" else None
    url = f"{scheme}://127.0.0.1:{unused_port}"
    reason = pytest.raises(UnreachableError, match=str(unused_port))
    with Client(url, description=told, timeout_s=LIMIT_S) as client, reason as caught:
        client.once(text="x")
    assert caught.value.can_retry
    assert not caught.value.may_have_run


@pytest.fixture
def unused_port() -> int:
    import socket  # noqa: PLC0415

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_another_route_is_not_the_service(served: Service, scheme: str) -> None:
    url = f"{scheme}://127.0.0.1:{served.http_port}/v1/other"
    with Client(url, timeout_s=LIMIT_S) as client, pytest.raises(UnexpectedAnswerError) as caught:
        client.once("x")
    assert "/v1/other" in str(caught.value)


@EVERY_WAY
def test_without_a_licence_the_service_is_busy(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "wrapper.py").write_text(SERVED)
    with (
        Service(tmp_path, fc={"max": 1}).ready() as service,
        client_of(service, scheme) as client,
        closing(client.stream(iter_of("a"))) as results,
    ):
        assert next(results).text == "a!"
        with pytest.raises(BusyError) as caught:
            client.once("x")
        assert caught.value.code == 10110
        assert caught.value.can_retry
        assert not caught.value.may_have_run
        results.close()
        wait_for(lambda: licences(service) == 0, "licence back")
        assert client.once("x").text == "x!"


def iter_of(*packages: str) -> Iterator[str]:
    """Yield packages, and then nothing, but no end."""
    yield from packages
    threading.Event().wait(60)


# Streams:


@EVERY_WAY
@pytest.mark.parametrize("how", ["list", "iterator"])
def test_a_stream_of_packages(served: Service, scheme: str, how: str) -> None:
    packages = ["a", b"b", {"text": "c"}, Input("d")]
    with client_of(served, scheme) as client:
        given: Any = packages if how == "list" else iter(packages)
        results = list(client.stream(given))
    texts = [result.text for result in results]
    statuses = [result["result"].status for result in results]
    if how == "list":
        assert texts == ["a!", "b!", "c!", "d!"]
        assert statuses == [0, 1, 1, 2]
    else:  # whose end is known only when it has come
        assert texts == ["a!", "b!", "c!", "d!", "!"]
        assert statuses == [0, 1, 1, 1, 2]
    assert len({result.sid for result in results}) == 1


@EVERY_WAY
def test_an_iterator_may_end_its_inputs_itself(served: Service, scheme: str) -> None:
    packages = iter(["a", Input("b", status=2)])
    with client_of(served, scheme) as client:
        assert [result.text for result in client.stream(packages)] == ["a!", "b!"]


@EVERY_WAY
async def test_a_stream_of_packages_that_come_with_time(served: Service, scheme: str) -> None:
    taken = asyncio.Event()

    async def packages() -> AsyncIterator[str]:
        yield "a"
        await taken.wait()  # the next one comes only after the first result has
        yield "b"

    texts = []
    async with async_client_of(served, scheme) as client:
        async for result in client.stream(packages()):
            texts.append(result.text)
            taken.set()
    assert texts == ["a!", "b!", "!"]


@EVERY_WAY
def test_a_thread_s_inputs_may_wait_for_results(served: Service, scheme: str) -> None:
    taken = threading.Event()

    def packages() -> Iterator[str]:
        yield "a"
        assert taken.wait(LIMIT_S)
        yield "b"

    texts = []
    with client_of(served, scheme) as client:
        for result in client.stream(packages()):
            texts.append(result.text)
            taken.set()
    assert texts == ["a!", "b!", "!"]


@EVERY_WAY
async def test_many_results_of_one_package_come_in_order(served: Service, scheme: str) -> None:
    async with async_client_of(served, scheme) as client:
        texts = [result.text async for result in client.stream(text="many 1000")]
    assert texts == [*map(str, range(1000)), "end"]


@EVERY_WAY
async def test_a_session_is_written_and_read_as_one_likes(served: Service, scheme: str) -> None:
    async with async_client_of(served, scheme) as client, client.session() as session:
        await session.send(text="a")
        assert (await session.receive()).text == "a!"
        await session.send({"text": "b"})
        await session.send(last=True)
        assert [result.text async for result in session] == ["b!", "!"]
        assert session.has_ended


@EVERY_WAY
@pytest.mark.parametrize(
    ("packages", "expected", "code"),
    [
        (["a", "code 77", "b"], WrapperError, 77),
        (["a", "raise such", "b"], WrapperError, 30003),
        (["a", "push-error 78", "b"], WrapperError, 78),
        (["a", "exit", "b"], WorkerDiedError, 10109),
    ],
)
async def test_a_stream_that_fails_says_why(
    served: Service, scheme: str, packages: list[str], expected: type[ClientError], code: int
) -> None:
    before = len(served.log)
    async with async_client_of(served, scheme) as client:
        with pytest.raises(expected) as caught:
            async for _ in client.stream(packages):
                pass
    assert caught.value.code == code
    if expected is WorkerDiedError:
        served.wait_for("worker ready", after=before)


@EVERY_WAY
async def test_a_worker_that_is_killed_in_mid_stream(served: Service, scheme: str) -> None:
    before = len(served.log)
    texts = []
    async with async_client_of(served, scheme) as client:
        with pytest.raises(WorkerDiedError) as caught:
            async with client.session() as session:
                await session.send(text="a")
                texts.append((await session.receive()).text)
                os.kill(served.worker_pid(), signal.SIGKILL)
                await session.receive()
        assert texts == ["a!"]
        assert caught.value.can_retry
        served.wait_for("worker ready", after=before)
        assert [r.text async for r in client.stream(["again"])] == ["again!"]


@EVERY_WAY
def test_leaving_a_stream_ends_its_session(served: Service, scheme: str) -> None:
    before = len(served.log)
    with client_of(served, scheme) as client:
        with closing(client.stream(text="many 100000")) as results:
            assert [next(results).text for _ in range(3)] == ["0", "1", "2"]
        served.wait_for("destroyed", after=before)
        wait_for(lambda: licences(served) == 0, "licence back")


@EVERY_WAY
async def test_cancelling_a_stream_ends_its_session(served: Service, scheme: str) -> None:
    before = len(served.log)
    first = asyncio.Event()

    async def read(client: AsyncClient) -> None:
        async with aclosing(client.stream(text="many 100000")) as results:
            async for _ in results:
                first.set()

    async with async_client_of(served, scheme) as client:
        reading = asyncio.create_task(read(client))
        await asyncio.wait_for(first.wait(), LIMIT_S)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.to_thread(lambda: served.wait_for("destroyed", after=before))


@EVERY_WAY
async def test_an_input_that_cannot_be_made_ends_the_stream(served: Service, scheme: str) -> None:
    async def packages() -> AsyncIterator[str]:
        yield "a"
        raise LookupError("the microphone is gone")

    async with async_client_of(served, scheme) as client:
        with pytest.raises(LookupError, match="microphone"):
            async for _ in client.stream(packages()):
                pass


@EVERY_WAY
async def test_a_result_that_does_not_come_is_a_timeout(served: Service, scheme: str) -> None:
    async with async_client_of(served, scheme) as client, client.session(timeout_s=1.0) as session:
        await session.send(text="quiet")
        with pytest.raises(AnswerTimeoutError, match="no result came"):
            await session.receive()


@EVERY_WAY
async def test_a_service_that_is_killed_in_mid_stream(tmp_path: Path, scheme: str) -> None:
    (tmp_path / "wrapper.py").write_text(SERVED)
    with Service(tmp_path).ready() as service:
        async with async_client_of(service, scheme) as client:
            with pytest.raises(ConnectionLostError):
                async with client.session() as session:
                    await session.send(text="a")
                    await session.receive()
                    service.process.kill()
                    service.process.wait(LIMIT_S)
                    await session.receive()


# The samples:


def test_the_echo_sample(tmp_path: Path) -> None:
    (tmp_path / "wrapper.py").write_text((ROOT / "wrappers/echo/wrapper.py").read_text())
    with Service(tmp_path).ready() as service, client_of(service, "http") as client:
        assert client.once(text=b"\x00 <>&").data == b"\x00 <>&"
        assert client.once("plain").text == "plain"


def test_the_digits_sample(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "wrappers" / "digits", tmp_path / "digits")
    with Service(folder).ready() as service, client_of(service, "http") as client:
        picture = (folder / "test_data" / "7.png").read_bytes()
        assert json.loads(client.once(img=picture).text)["result"] == 7
        with pytest.raises(WrapperError, match="not a picture") as caught:
            client.once(img=b"no picture")
        assert caught.value.code == 101


# Between its own parts:


@EVERY_WAY
async def test_after_its_last_result_a_session_has_no_more(served: Service, scheme: str) -> None:
    async with async_client_of(served, scheme) as client, client.session() as session:
        await session.send(text="a", last=True)
        assert (await session.receive()).text == "a!"
        with pytest.raises(SessionEndedError, match="last result"):
            await session.receive()


@EVERY_WAY
def test_closing_a_client_ends_the_streams_of_other_threads(served: Service, scheme: str) -> None:
    client = client_of(served, scheme)
    begun = threading.Event()
    ended: list[ClientError] = []

    def read() -> None:
        try:
            for _ in client.stream(iter_of("a")):
                begun.set()
        except ClientError as error:
            ended.append(error)

    reading = threading.Thread(target=read)
    reading.start()
    assert begun.wait(LIMIT_S)
    client.close()
    reading.join(LIMIT_S)
    assert not reading.is_alive()
    assert [type(error) for error in ended] == [ConnectionLostError]
    client.close()  # once more is nothing
    with pytest.raises(RuntimeError, match="closed"):
        client.once("x")


@EVERY_WAY
async def test_closing_a_client_ends_its_sessions(served: Service, scheme: str) -> None:
    client = async_client_of(served, scheme)
    with pytest.raises(ConnectionLostError):
        async with client.session() as session:
            await session.send(text="a")
            await session.receive()
            receiving = asyncio.create_task(session.receive())
            await asyncio.sleep(0)  # it waits now
            await client.close()
            await asyncio.wait_for(receiving, LIMIT_S)


@EVERY_WAY
def test_a_stream_that_is_left_open_ends_with_its_client(served: Service, scheme: str) -> None:
    with client_of(served, scheme) as client:
        results = client.stream("many 100000")
        assert next(results).text == "0"
    results.close()


@pytest.mark.parametrize("url", ["127.0.0.1:1888", "ftp://x", "http:///path", ""])
def test_an_address_of_no_transport_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="expected http"):
        AsyncClient(url)


@EVERY_WAY
def test_input_must_be_given_and_named(served: Service, scheme: str) -> None:
    with client_of(served, scheme) as client:
        with pytest.raises(ValueError, match="no input was given"):
            client.once()
        with pytest.raises(ValueError, match="stands alone"):
            client.once("x", text="y")
        for nothing in ([], iter(())):
            with pytest.raises(ValueError, match="no input"):
                list(client.stream(nothing))


def test_resources_are_loaded_and_unloaded(served: Service) -> None:
    with client_of(served, "grpc") as client:

        def loaded() -> str:
            return client.once("resource", params={"patch_id": "7"}).text

        client.load_resource("7", "wörter")
        assert loaded() == repr(("resource", "wörter".encode(), None))
        content = Input(b"weights", attributes={"rank": "8"})
        client.load_resource("7", content, name="adapter")
        assert loaded() == repr(("adapter", b"weights", "8"))
        with pytest.raises(WrapperError) as refused:
            client.load_resource("7", "refuse")
        assert refused.value.code == 9
        assert loaded() == repr(("adapter", b"weights", "8"))
        client.unload_resource("7")
        client.unload_resource("7")
        assert loaded() == "None"


async def test_resources_need_an_id_and_grpc(served: Service) -> None:
    async with async_client_of(served, "grpc") as client:
        await client.load_resource("8", b"weights", timeout_s=LIMIT_S)
        await client.unload_resource("8", timeout_s=LIMIT_S)
        with pytest.raises(ValueError, match="a resource needs an id"):
            await client.load_resource("", b"weights")
    async with async_client_of(served, "http") as client:
        with pytest.raises(ValueError, match="expected grpc://host:port"):
            await client.load_resource("8", b"weights")
        with pytest.raises(ValueError, match="expected grpc://host:port"):
            await client.unload_resource("8")


def test_over_grpc_outputs_must_be_told(served: Service) -> None:
    url = f"grpc://127.0.0.1:{served.grpc_port}"
    with Client(url, timeout_s=LIMIT_S) as client:
        with pytest.raises(ValueError, match="outputs are not known"):
            client.once(text="x")
        assert client.once(text="x", expect={"result": "text"}).text == "x!"
