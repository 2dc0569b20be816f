"""Calls and sessions of text over gRPC, step by step; the client says what the handle is."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import grpc

from support.service import LIMIT_S, Service
from support.xsf_client import CALL, EXPECTED, call_json, payload_json, reply_json, request_bytes


class XsfTexts:
    """One client; outputs are LoaderOutputs as JSON."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._call = channel.unary_unary(CALL)

    def output(self, op: str, handle: str, **more: Any) -> dict[str, Any]:
        """Make a call; return its LoaderOutput."""
        reply = self._call(request_bytes(call_json(op, handle=handle, **more)), timeout=LIMIT_S)
        (entry,) = reply_json(reply)["data"]
        found: dict[str, Any] = entry["LoaderOutput"]
        return found

    def once(
        self, handle: str, text: bytes = b"hello", wait_ms: int = 20_000, **params: str
    ) -> dict[str, Any]:
        data = {
            "state": "ONCE",
            "headers": {"sid": f"sid-{handle}", "appid": "me"},
            "params": params,
            "expect": [EXPECTED],
            "pl": [payload_json(text, "data", status="3", encoding="utf8")],
        }
        return self.output("AIIn", handle, SeqNo="1", waitTime=str(wait_ms), data=data)

    def open(self, handle: str, **params: str) -> dict[str, Any]:
        data = {
            "state": "STREAM",
            "headers": {"sid": f"sid-{handle}", "appid": "me"},
            "params": params,
            "expect": [EXPECTED],
        }
        return self.output("AIIn", handle, SeqNo="1", data=data)

    def feed(self, handle: str, number: int, status: int) -> dict[str, Any]:
        piece = payload_json(f"piece {number}".encode(), "data", status=str(status))
        return self.output("AIIn", handle, data={"sync_id": number, "pl": [piece]})

    def fetch(self, handle: str) -> dict[str, Any]:
        return self.output("AIOut", handle, waitTime="20000")

    def load(self, resource_id: str, content: bytes, **attributes: str) -> dict[str, Any]:
        """Load a resource."""
        brought = payload_json(content, "adapter", status="3", **attributes)
        data = {"params": {"patch_id": resource_id}, "pl": [brought]}
        return self.output("AILoad", "", data=data)

    def unload(self, resource_id: str) -> dict[str, Any]:
        """Unload one."""
        return self.output("AIUnLoad", "", data={"params": {"patch_id": resource_id}})

    def session(self, handle: str, statuses: Sequence[int] = (0, 1, 2), **params: str) -> None:
        """Run one from its first packet to its last result, or its first error."""
        self.open(handle, **params)
        for number, status in enumerate(statuses, 1):
            if "code" in self.feed(handle, number, status):
                return
        while (output := self.fetch(handle)).get("status") != "END":
            assert "code" not in output


@contextmanager
def xsf(service: Service) -> Iterator[XsfTexts]:
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        yield XsfTexts(channel)
