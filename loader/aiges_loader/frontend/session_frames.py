"""The JSON that a session's client gets: acknowledgement, results, errors. No I/O."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Final

import orjson

from aiges_loader.calls import Datum
from aiges_loader.errors import BadOutputError, CallError
from aiges_loader.frontend import go_base64
from aiges_loader.frontend.codec import Expectation
from aiges_loader.frontend.data_fields import FIELD_OF_TYPE
from aiges_loader.frontend.json_reader import Json
from aiges_loader.sessions.session import Result

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_TRUTHS: Final = {"true": True, "false": False}


class ResultWriter:
    """Writes the results of one session: it counts them, and knows what its client expects."""

    def __init__(
        self,
        sid: str,
        expectations: Mapping[str, Expectation],
        attribute_kinds: Mapping[str, Mapping[str, str]],
    ) -> None:
        """Take what does not change in a session.

        Args:
            sid: The session's.
            expectations: Outputs that the client expects, by key.
            attribute_kinds: See `Service`.
        """
        self._sid = sid
        self._expectations = expectations
        self._attribute_kinds = attribute_kinds
        self._written: Counter[str] = Counter()

    def acknowledgement(self) -> bytes:
        """Write that the first message has been accepted."""
        return orjson.dumps({"header": self._header(0)})

    def result(self, result: Result) -> bytes:
        """Write a result; the last output's status stands for all.

        Raises:
            BadOutputError: An output is not expected, or is of another type than expected.
        """
        payload: dict[str, dict[str, Json]] = {}
        for output in result.outputs:
            expected = self._expectations.get(output.key)
            if expected is None or output.type != expected.type:
                raise BadOutputError("wrapper output data invalid(key or type)")
            self._written[output.key] += 1
            attributes = {
                **output.desc,
                **expected.attributes,
                "seq": str(self._written[output.key]),
                "status": str(output.status),
            }
            kinds = self._attribute_kinds.get(output.key, {})
            entry = {name: _typed(text, kinds.get(name)) for name, text in attributes.items()}
            entry[FIELD_OF_TYPE[output.type]] = _data(output, attributes.get("format"))
            payload[output.key] = entry
        status = result.outputs[-1].status
        return orjson.dumps({"header": self._header(status), "payload": payload})

    def _header(self, status: int) -> dict[str, Json]:
        return {"code": 0, "message": "success", "sid": self._sid, "status": status}


def error_frame(error: CallError, sid: str) -> bytes:
    """Write that the session has failed."""
    message = str(error).encode(errors="replace").decode()
    return orjson.dumps(
        {"header": {"code": int(error.code), "message": message, "sid": sid, "status": 0}}
    )


def _data(output: Datum, form: str | None) -> Json:
    """Return data as base64, or as the JSON value that it is if it is said to be one."""
    if form == "json":
        try:
            value: Json = orjson.loads(output.data)
        except orjson.JSONDecodeError:
            pass
        else:
            return value
    return go_base64.encode(output.data)


def _typed(text: str, kind: str | None) -> Json:
    """Return an attribute as the schema has it; as text where it is not of that kind."""
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind == "number":
        try:
            return float(text) if not _INTEGER.fullmatch(text) else int(text)
        except ValueError:
            return text
    if kind == "bool":
        return _TRUTHS.get(text, text)
    return text
