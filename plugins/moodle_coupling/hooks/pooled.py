"""What our hooks share towards Airflow: a connection that is read once, and one session, opened when it is first used."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from airflow.sdk import BaseHook

from moodle_coupling.errors import SettingError


class _Closable(Protocol):
    def close(self) -> None: ...


S = TypeVar("S")
W = TypeVar("W", bound=_Closable)


class Pooled(BaseHook, ABC, Generic[S, W]):
    """A hook with settings of type S and a pooled session of type W; several threads may use one hook."""

    hook_name: ClassVar[str]

    def __init__(self, conn_id: str, *, logger_name: str | None = None) -> None:
        super().__init__(logger_name=logger_name)
        self._conn_id = conn_id
        self._settings: S | None = None
        self._wire: W | None = None
        self._lock = threading.RLock()

    @property
    def settings(self) -> S:
        """The connection, read once. Raises SettingError."""
        with self._lock:
            if self._settings is None:
                self._settings = self._read(self._connection())
            return self._settings

    def get_conn(self) -> W:
        """Give the pooled session, opened at its first use."""
        with self._lock:
            if self._wire is None:
                self._wire = self._open(self.settings)
            return self._wire

    def close(self) -> None:
        """Close the pooled connections."""
        with self._lock:
            if self._wire is not None:
                self._wire.close()
                self._wire = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._conn_id!r})"

    @abstractmethod
    def _read(self, connection: Any) -> S:
        """Read an Airflow connection and have its secret masked. Raises SettingError."""

    @abstractmethod
    def _open(self, settings: S) -> W:
        """Open the session."""

    def _connection(self) -> Any:
        from airflow.sdk.exceptions import AirflowNotFoundException

        try:
            return self.get_connection(self._conn_id)
        except AirflowNotFoundException:
            raise SettingError(
                f"There is no connection '{self._conn_id}'. Add one of type {self.hook_name} under Admin > Connections."
            ) from None
