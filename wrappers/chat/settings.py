"""What the section [wrapper] and the environment say, read once. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field


class SettingsError(ValueError):
    """A key of [wrapper] is missing or wrong; the message names it."""


@dataclass(frozen=True)
class Settings:
    """How to speak to the endpoint.

    Attributes:
        base_url: Without /chat/completions: "http://127.0.0.1:8000/v1".
        model: Its name there.
        api_key: "" if the endpoint asks for none. Never logged.
        max_concurrent: Chats at the same time; further ones wait.
        queue_timeout_s: Longest such wait.
        connect_timeout_s: Longest wait for a connection.
        read_timeout_s: Longest silence of the endpoint, before its answer and within it.
        total_timeout_s: Longest time that an answer may take.
        attempts: How often a request is sent until it is answered, 1 for no second time.
        longest_pause_s: Before another attempt; an endpoint that wants more is not tried again.
    """

    base_url: str
    model: str
    api_key: str = field(default="", repr=False)
    max_concurrent: int = 32
    queue_timeout_s: float = 10.0
    connect_timeout_s: float = 5.0
    read_timeout_s: float = 60.0
    total_timeout_s: float = 600.0
    attempts: int = 3
    longest_pause_s: float = 10.0


def settings_from(config: Mapping[str, str], environ: Mapping[str, str]) -> Settings:
    """Read the keys of [wrapper]; the environment stands in for three of them.

    Raises:
        SettingsError: Naming the key.
    """
    return Settings(
        base_url=_url(_text(config, "base_url", environ, "OPENAI_BASE_URL")),
        model=_text(config, "model", environ, "OPENAI_MODEL"),
        api_key=config.get("api_key") or environ.get("OPENAI_API_KEY", ""),
        max_concurrent=int(_number(config, "max_concurrent", Settings.max_concurrent, whole=True)),
        queue_timeout_s=_number(config, "queue_timeout", Settings.queue_timeout_s),
        connect_timeout_s=_number(config, "connect_timeout", Settings.connect_timeout_s),
        read_timeout_s=_number(config, "read_timeout", Settings.read_timeout_s),
        total_timeout_s=_number(config, "total_timeout", Settings.total_timeout_s),
        attempts=int(_number(config, "attempts", Settings.attempts, whole=True)),
        longest_pause_s=_number(config, "longest_pause", Settings.longest_pause_s),
    )


def _text(config: Mapping[str, str], key: str, environ: Mapping[str, str], variable: str) -> str:
    text = config.get(key) or environ.get(variable, "")
    if not text:
        raise SettingsError(f"[wrapper] {key} is missing; the variable {variable} would do as well")
    return text


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise SettingsError(f"[wrapper] base_url: expected http:// or https://, got {text!r}")
    return text.rstrip("/")


def _number(config: Mapping[str, str], key: str, default: float, *, whole: bool = False) -> float:
    text = config.get(key, default)
    try:
        number = int(text) if whole else float(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        kind = "whole number" if whole else "number"
        raise SettingsError(f"[wrapper] {key}: expected a {kind} above 0, got {text!r}")
    return number
