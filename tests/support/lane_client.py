"""The supervisor's end of a lane, blocking, for tests of the worker alone."""

import socket
from types import TracebackType
from typing import Self

from aiges_wire import frames
from aiges_wire.codes import WRAPPER_ERROR_KEY
from aiges_wire.frames import Kind
from aiges_wire.pb import aiges_inner_pb2 as pb

LIMIT_S = 20.0


class LaneClient:
    """One connection to a worker's data channel."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(LIMIT_S)
        self.socket.connect(path)
        self._number = 0

    def once(self, data: bytes, tag: str, **params: str) -> pb.Response:
        """Make one call; return its answer as version 1 would have it."""
        self.send(data, tag, **params)
        return self.answer(tag)

    def send(
        self, data: bytes, tag: str, *, deadline_us: int = 0, more: int = 0, **params: str
    ) -> None:
        self._number += 1
        head = frames.call(
            self._number,
            tag,
            {"sid": tag, **params},
            [("text", len(data), 0, 3, {})],
            deadline_us=deadline_us,
            more=more,
        )
        self.socket.sendall(head + data)

    def answer(self, tag: str) -> pb.Response:
        """Read the next answer."""
        header = frames.read_header(self._read(frames.HEADER_BYTES))
        meta, data = self._read(header.meta_bytes), self._read(header.data_bytes)
        if header.kind is Kind.FAILURE:
            code, text, _ = frames.read_failure(header, meta)
            item = pb.ResponseData(key=WRAPPER_ERROR_KEY, data=text.encode())
            return pb.Response(tag=tag, ret=code, list=[item])
        assert header.kind is Kind.ANSWER
        items, at = [], 0
        for key, size, kind, status, desc in frames.read_answer(header, meta):
            item = pb.ResponseData(key=key, data=data[at : at + size], len=size, type=kind)
            item.status = status
            item.desc.update(desc)
            items.append(item)
            at += size
        return pb.Response(tag=tag, list=items)

    def hung_up(self) -> bool:
        """Wait for something to come; say whether it is the end."""
        return self.socket.recv(1) == b""

    def _read(self, size: int) -> bytes:
        pieces = []
        while size:
            piece = self.socket.recv(min(size, 1 << 20))
            assert piece, "the worker hung up"
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
