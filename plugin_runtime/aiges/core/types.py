"""The numbers that say what data is and where in a stream it stands. Wrappers star-import them.

Plain variables on purpose: several wrappers assign some of these names again.
"""

__all__ = [
    "AUDIO",
    "IMAGE",
    "PROCESS_MODE",
    "STRING",
    "THREAD_MODE",
    "VIDEO",
    "DataAudio",
    "DataBegin",
    "DataContinue",
    "DataEnd",
    "DataImage",
    "DataOnce",
    "DataText",
    "DataVideo",
    "Once",
    "Status",
    "Types",
]

STRING: int = 0
AUDIO: int = 1
IMAGE: int = 2
VIDEO: int = 3

DataText: int = 0
DataAudio: int = 1
DataImage: int = 2
DataVideo: int = 3

DataBegin: int = 0
DataContinue: int = 1
DataEnd: int = 2
DataOnce: int = 3
Once: int = DataOnce

THREAD_MODE: str = "thread"
PROCESS_MODE: str = "process"

Types: dict[int, str] = {0: "text", 1: "audio", 2: "image", 3: "video"}
Status: dict[int, str] = {0: "begin", 1: "continue", 2: "end", 3: "once"}
