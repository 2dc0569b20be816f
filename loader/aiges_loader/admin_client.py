"""Speaks to the admin API of a running service, for the sub-commands."""

import http.client
import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

CONNECT_LIMIT_S: Final = 5.0
ANSWER_LIMIT_S: Final = 10.0


class AdminError(Exception):
    """The service could not be asked, or refused; the message says what to do next."""


@dataclass(frozen=True, slots=True)
class AdminAddress:
    """Where an admin API is, and what it wants to be shown.

    Attributes:
        host: Name or address.
        port: Never 0.
        token: "" is none.
        hint: How to give another address, for errors.
    """

    host: str
    port: int
    token: str
    hint: str

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of_url(url: str, token: str) -> AdminAddress:
    """Read "http://host:port", "host:port" or "[::1]:1889"; raise `AdminError` for others."""
    problem = AdminError(f"{url!r} is no address like http://127.0.0.1:1889")
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise problem from None
    if not host or not port or parts.scheme != "http" or parts.path not in ("", "/"):
        raise problem
    return AdminAddress(host, port, token, "--admin")


def ask(address: AdminAddress, method: str, path: str, *, patient: bool = False) -> Any:  # noqa: ANN401 - JSON
    """Make one request and return the JSON of its answer.

    Args:
        address: Whom to ask.
        method: GET or POST.
        path: From the slash on.
        patient: Wait for the answer however long it takes, because workers are started first.

    Raises:
        AdminError: No answer, or one that says that it was not done.
    """
    client = http.client.HTTPConnection(address.host, address.port, timeout=CONNECT_LIMIT_S)
    headers = {"Authorization": f"Bearer {address.token}"} if address.token else {}
    try:
        client.connect()
        client.sock.settimeout(None if patient else ANSWER_LIMIT_S)
        client.request(method, path, headers=headers)
        answer = client.getresponse()
        body = answer.read()
    except TimeoutError:
        raise AdminError(
            f"{address} does not answer. The process may hang or be stopped: look at its log"
        ) from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise AdminError(
            f"cannot reach the admin API at {address}: {reason}.\n"
            f"Is the service running? If it listens elsewhere, use {address.hint}."
        ) from None
    finally:
        client.close()
    return _read(answer.status, body, address)


def _read(status: int, body: bytes, address: AdminAddress) -> Any:  # noqa: ANN401 - JSON
    try:
        value = json.loads(body)
    except ValueError:
        raise AdminError(
            f"what answers at {address} is no admin API (status {status}, no JSON)"
        ) from None
    if status == http.client.UNAUTHORIZED:
        raise AdminError(
            f"{address} refuses: {value['error']}.\n"
            "Give the value of [admin] token with --token or in AIGES_ADMIN_TOKEN."
        )
    if status >= http.client.BAD_REQUEST:
        lines = [str(value.get("error", f"status {status}")), *value.get("problems", ())]
        raise AdminError("\n  ".join(lines))
    return value
