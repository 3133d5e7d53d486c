"""Pieces of a snapshot that survive a crash or a pause, so that a second try goes on where the first one stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pandas as pd


class Keeper(Protocol):
    """Keeps frames by name for the length of one run; the names are safe as file names (letters, digits, ``-``, ``_``).

    ``put`` replaces what has that name; a frame comes back as it went in (Parquet will do). Called from one thread.
    """

    def has(self, name: str) -> bool:
        """Tell whether a frame of that name was kept."""

    def put(self, name: str, frame: pd.DataFrame) -> None:
        """Keep a frame, whole or not at all."""

    def get(self, name: str) -> pd.DataFrame:
        """Give a frame that was kept."""
