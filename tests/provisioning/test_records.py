"""What is put on record while batches are on their way: nobody waits for what waits for him."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from moodle_coupling.provisioning.load import loader
from moodle_coupling.provisioning.wire import Wire


class Watched(threading.Event):
    """Tells how often a wait ended because time was up, and not because a request went out."""

    def __init__(self) -> None:
        super().__init__()
        self.in_vain = 0

    def wait(self, timeout: float | None = None) -> bool:
        came = super().wait(timeout)
        self.in_vain += not came
        return came


class Load:
    """A load that notes what is put on record; each step takes as long as it is told."""

    def __init__(self, connections: int, *, telling: float = 0.0) -> None:
        self.wire: Any = Wire(SimpleNamespace(settings=SimpleNamespace(parallel_requests=connections)))  # type: ignore[arg-type]
        self.wire.went_out = Watched()
        self.told: list[int] = []
        self.announced: list[int] = []
        self._telling = telling

    def announce_ahead(self, items: Any) -> None:
        self.announced += items

    def judge(self, items: Any) -> None:
        """Let all pass."""

    def tell(self, items: Any) -> None:
        time.sleep(self._telling)
        self.told += items


def send(load: Load, batches: int, *, answer: float) -> None:
    def request(_batch: list[Any]) -> None:
        load.wire.went_out.set()
        time.sleep(answer)

    with loader.Records(load) as records:
        records.send(request, ([[number]] for number in range(batches)))


@pytest.mark.parametrize("connections", [1, 2, 4])
@pytest.mark.parametrize(("answer", "telling"), [(0.002, 0.0), (0.0, 0.002), (0.0, 0.0)], ids=["slow", "fast", "both"])
def test_a_record_waits_for_a_request_and_never_for_one_that_waits_for_it(
    connections: int, answer: float, telling: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "_NEXT", 20.0)  # in vain, that would be seen
    load = Load(connections, telling=telling)
    send(load, 40, answer=answer)
    assert load.wire.went_out.in_vain == 0
    assert sorted(load.told) == list(range(40))
    assert load.announced == list(range(40))
