"""The three-argument way to push a result, as one worker of old had it."""

from aiges import dto


def callback(response: dto.Response, tag: str, sid: str = "") -> int:
    """Send a result to the client, from any thread; see `aiges.dto.callback`.

    Args:
        response: The result.
        tag: The usrTag of the request.
        sid: Its sid, which counts only if there is no tag.
    """
    return dto.callback(response, tag or sid)
