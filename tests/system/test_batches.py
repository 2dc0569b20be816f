"""Batches as clients see them, with the sample that is made for them."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.service import ROOT, Answer, Service

SAMPLE = ROOT / "wrappers" / "matmul" / "wrapper.py"
CLIENTS = 16


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("matmul")
    shutil.copy(SAMPLE, folder)
    return folder


def answers(service: Service) -> list[Answer]:
    """Ask with many clients at once, each for another text."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(lambda n: service.once(f"text {n}".encode()), range(4 * CLIENTS)))


def sizes(service: Service) -> tuple[float, float]:
    """Return how many batches there were, and how many calls in them."""
    text = service.admin("GET", "/metrics").body.decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if "#" not in line)
    return float(lines["aiges_batch_size_count"]), float(lines["aiges_batch_size_sum"])


@pytest.mark.parametrize("adaptive", [False, True])
def test_every_client_gets_the_answer_that_it_gets_alone(folder: Path, adaptive: bool) -> None:
    with Service(folder).ready() as service:
        alone = [answer.text() for answer in answers(service)]
        assert sizes(service) == (0, 0)
    batch = {"maxSize": 8, "maxDelay": 0.05, "adaptive": adaptive}
    with Service(folder, batch=batch).ready() as service:
        together = answers(service)
        assert {answer.code for answer in together} == {0}
        assert [answer.text() for answer in together] == alone
        batches, calls = sizes(service)
        assert calls == 4 * CLIENTS
        assert batches < calls / 2
