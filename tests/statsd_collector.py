"""A StatsD collector for tests: takes figures over real UDP on 127.0.0.1 and keeps them."""

from __future__ import annotations

import socket


class Collector:
    """A StatsD collector: keeps what comes in over UDP, as (name, tags, value, kind)."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.3)
        self.port = self._socket.getsockname()[1]

    def taken(self) -> list[tuple[str, dict[str, str], float, str]]:
        """Give what came in, until nothing more comes."""
        found = []
        try:
            while True:
                for line in self._socket.recv(65536).decode().splitlines():
                    head, _, rest = line.partition(":")
                    name, *tags = head.split(",")
                    value, kind = rest.split("|")[:2]
                    found.append((name, dict(tag.split("=", 1) for tag in tags), float(value), kind))
        except TimeoutError:
            return found

    def close(self) -> None:
        self._socket.close()
