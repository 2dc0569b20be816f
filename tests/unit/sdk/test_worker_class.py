import pytest

from aiges.worker import InferClass, Worker

TIMEOUT_S = 5.0


class Counting(InferClass):
    """Is done after `last` requests."""

    def __init__(self, last: int) -> None:
        self.last = last
        self.seen: list[object] = []

    def predict(self, req: object) -> tuple[object, bool]:  # type: ignore[override]
        self.seen.append(req)
        return req, len(self.seen) == self.last


def test_a_worker_feeds_its_inference_object_until_all_is_done() -> None:
    infer = Counting(last=2)
    worker = Worker()
    worker.register_infer_class(infer)
    worker.setHandle("worker-0")
    worker.start()
    for request in ("a", "b", "never"):
        worker.in_q.put(request)
    worker.join(TIMEOUT_S)
    assert not worker.is_alive()
    assert infer.seen == ["a", "b"]
    assert infer.handle == "worker-0"


def test_stop_ends_a_worker_that_waits() -> None:
    worker = Worker(name="w", nums=1, context={"a": 1})
    worker.register_infer_class(Counting(last=9))
    worker.start()
    worker.stop()
    worker.join(TIMEOUT_S)
    assert worker.is_stopping
    assert not worker.is_alive()


def test_a_worker_keeps_what_is_registered() -> None:
    worker = Worker()
    worker.register_infer_func(len)
    worker.register_callback(print)
    assert (worker.infer_func, worker.callback_fn) == (len, print)
    worker.create({"a": "1"})


def test_a_worker_without_an_inference_object_says_so() -> None:
    with pytest.raises(RuntimeError, match="register_infer_class"):
        Worker().start()
    with pytest.raises(RuntimeError, match="register_infer_class"):
        Worker().setHandle("h")


def test_an_inference_object_must_predict() -> None:
    with pytest.raises(TypeError, match="predict"):
        InferClass()  # type: ignore[abstract]
