"""From tokens to text that can be sent: whole characters, and nothing of a stop text. Pure."""

import codecs
from collections.abc import Sequence


class Pieces:
    """Takes tokens as they come and gives back what is safe to send.

    A token may end within a character, and what looks like the beginning of a stop text may be
    one: both are held back until what follows decides.

    Attributes:
        is_stopped: A stop text has come; nothing more will be given back.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        """Take the texts that end the output; empty ones do not count."""
        self.is_stopped = False
        self._stops = [stop for stop in stops if stop]
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def add(self, token: bytes) -> str:
        """Return what can be sent now, which may be nothing."""
        return self._sendable(self._decoder.decode(token))

    def finish(self) -> str:
        """Return what was held back: there will be no more tokens."""
        text = self._sendable(self._decoder.decode(b"", final=True)) + self._held
        self._held = ""
        return text

    def _sendable(self, text: str) -> str:
        if self.is_stopped:
            return ""
        self._held += text
        places = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            self.is_stopped = True
            text, self._held = self._held[: min(places)], ""
            return text
        cut = len(self._held) - max((self._begun(stop) for stop in self._stops), default=0)
        text, self._held = self._held[:cut], self._held[cut:]
        return text

    def _begun(self, stop: str) -> int:
        """Return with how many characters of `stop` the held text ends, all but the whole."""
        longest = min(len(stop) - 1, len(self._held))
        return next((n for n in range(longest, 0, -1) if self._held.endswith(stop[:n])), 0)
