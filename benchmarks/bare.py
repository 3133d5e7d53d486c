"""The bare loop: the very requests of a load, recorded from one, and sent again with nothing else done. What makes loads cannot be faster."""

from __future__ import annotations

import gc
import http.client
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

TOKEN: Final = b"{token}"
"""Stands for the token in a recorded request; each sandbox has its own."""


@dataclass
class Spent:
    """What a load took: seconds by the clock, seconds of this process's own processor time, and the load's result."""

    seconds: float
    processor: float
    result: Any = None


@contextmanager
def measured() -> Iterator[Spent]:
    """Measure a block; the collector's work on earlier runs is none of it."""
    gc.collect()
    spent = Spent(0, 0)
    started, before = time.perf_counter(), time.process_time()
    yield spent
    spent.seconds, spent.processor = time.perf_counter() - started, time.process_time() - before


@contextmanager
def noting(token: str) -> Iterator[list[tuple[str, bytes]]]:
    """Note the requests to a Moodle while the block runs, function and body; not the question what site it is, which a run has asked before."""
    from moodle_coupling.hooks.moodle.answers import SITE_INFO
    from moodle_coupling.hooks.moodle.wire import MoodleWire

    requests: list[tuple[str, bytes]] = []
    post = MoodleWire.post

    def noted(wire: MoodleWire, body: bytes, function: str, **other: Any) -> Any:
        if function != SITE_INFO:
            requests.append((function, body.replace(token.encode(), TOKEN)))
        return post(wire, body, function, **other)

    MoodleWire.post = noted  # type: ignore[method-assign]
    try:
        yield requests
    finally:
        MoodleWire.post = post  # type: ignore[method-assign]


def bare_loop(
    requests: list[tuple[str, bytes]], url: str, token: str, connections: int, *, writes: Collection[str]
) -> Spent:
    """Send requests and do nothing else: one connection per thread, what writes when the questions before it are answered."""
    address, lock = urlsplit(url), threading.Lock()

    def send(waiting: Iterator[bytes]) -> None:
        connection = http.client.HTTPConnection(address.hostname or "", address.port)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        while True:
            with lock:
                body = next(waiting, None)
            if body is None:
                return connection.close()
            connection.request("POST", "/webservice/rest/server.php", body, headers)
            assert b"exception" not in connection.getresponse().read()

    mine = [(function, body.replace(TOKEN, token.encode())) for function, body in requests]
    with measured() as spent:
        for writing in (False, True):
            waiting = iter([body for function, body in mine if (function in writes) == writing])
            threads = [threading.Thread(target=send, args=(waiting,)) for _ in range(connections)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    return spent
