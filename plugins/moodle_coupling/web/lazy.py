"""The web app as Airflow gets it: built at the first request, because every Airflow component loads the plugin."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping


class LazyApp:
    """An ASGI app that is made when it is first asked for something."""

    def __init__(self) -> None:
        self._app: Any = None
        self._lock = threading.Lock()

    async def __call__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
        send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ) -> None:
        """Hand the request on."""
        await self.made()(scope, receive, send)

    def made(self) -> Any:
        """Give the FastAPI app behind it."""
        with self._lock:
            if self._app is None:
                from moodle_coupling.web.app import make_app

                self._app = make_app()
            return self._app
