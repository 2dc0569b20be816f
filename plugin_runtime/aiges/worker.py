"""A thread that feeds one session's requests to one inference object."""

import abc
import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

_WAKE: Final = object()


class InferClass(abc.ABC):
    """What a `Worker` runs: one object per session."""

    handle: str = ""

    @abc.abstractmethod
    def predict(self, *args: Any, **kwargs: Any) -> tuple[Any, bool]:  # noqa: ANN401
        """Work on one request, given as `req`.

        Returns:
            The output, which nobody looks at, and whether the session is complete.
        """

    def setHandle(self, handle: str) -> None:  # noqa: N802 - wrappers call it
        """Remember the session's name as `handle`."""
        self.handle = handle


class Worker(threading.Thread):
    """Calls `predict(req=item)` with each item of `in_q` until one says that all is done.

    Attributes:
        in_q: Requests.
        out_q: For the wrapper's own use.
        is_stopping: Set by `stop`.
    """

    def __init__(
        self,
        name: str | None = None,
        _type: str = "thread",
        nums: int = 1,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        # A session that never completes must not keep the process alive.
        super().__init__(name=name, daemon=True)
        self.nums = nums
        self.context = dict(context or {})
        self.in_q: queue.Queue[Any] = queue.Queue()
        self.out_q: queue.Queue[Any] = queue.Queue()
        self.infer_class: InferClass | None = None
        self.infer_func: Callable[..., Any] | None = None
        self.callback_fn: Callable[..., Any] | None = None
        self.is_stopping = False

    def register_infer_class(self, instance: InferClass) -> None:
        """Set the object whose `predict` is called."""
        self.infer_class = instance

    def register_infer_func(self, infer: Callable[..., Any]) -> None:
        """Keep a function for `predict` to use, as `infer_func`."""
        self.infer_func = infer

    def register_callback(self, callback: Callable[..., Any]) -> None:
        """Keep a callback for `predict` to use, as `callback_fn`."""
        self.callback_fn = callback

    def setHandle(self, handle: str) -> None:  # noqa: N802 - wrappers call it
        """Tell the inference object the session's name."""
        self._registered().setHandle(handle)

    def create(self, params: Mapping[str, Any] | None = None) -> None:
        """Do nothing; for subclasses that prepare themselves with the session's parameters."""

    def start(self) -> None:
        """Start the thread; raise RuntimeError if no inference object is registered."""
        self._registered()
        super().start()

    def run(self) -> None:
        """Serve `in_q`."""
        infer = self._registered()
        while not self.is_stopping:
            item = self.in_q.get()
            if item is _WAKE:
                continue
            _, all_done = infer.predict(req=item)
            if all_done:
                return

    def stop(self) -> None:
        """End the thread after the request that it works on."""
        self.is_stopping = True
        self.in_q.put(_WAKE)

    def _registered(self) -> InferClass:
        if self.infer_class is None:
            raise RuntimeError("call register_infer_class before the worker is used")
        return self.infer_class
