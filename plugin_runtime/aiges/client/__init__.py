"""Clients of a service: single calls and streams, over HTTP, WebSocket and XSF gRPC.

Needs aiohttp, which the extra `client` installs; workers never import this package.
"""

from aiges.client.async_client import AsyncClient, Session
from aiges.client.data import Input, Output, Result
from aiges.client.description import Description
from aiges.client.errors import (
    AnswerTimeoutError,
    BadOutputError,
    BusyError,
    ClientError,
    ConnectionLostError,
    RefusedRequestError,
    ServiceError,
    ServiceTimeoutError,
    SessionEndedError,
    UnexpectedAnswerError,
    UnreachableError,
    WorkerDiedError,
    WrapperError,
)
from aiges.client.sync_client import Client

__all__ = [
    "AnswerTimeoutError",
    "AsyncClient",
    "BadOutputError",
    "BusyError",
    "Client",
    "ClientError",
    "ConnectionLostError",
    "Description",
    "Input",
    "Output",
    "RefusedRequestError",
    "Result",
    "ServiceError",
    "ServiceTimeoutError",
    "Session",
    "SessionEndedError",
    "UnexpectedAnswerError",
    "UnreachableError",
    "WorkerDiedError",
    "WrapperError",
]
