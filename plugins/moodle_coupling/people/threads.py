"""Columns worked on by two threads: Arrow lets go of Python's lock while it computes, numpy often does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

THREADS: Final = 2

One = TypeVar("One")
Other = TypeVar("Other")


def at_once(tasks: Iterable[Callable[[], One]]) -> list[One]:
    """Do tasks that do not touch each other's columns, two at a time; gives what they gave, and raises what the first raised."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="columns") as threads:
        return [future.result() for future in [threads.submit(task) for task in tasks]]


def both(one: Callable[[], One], other: Callable[[], Other]) -> tuple[One, Other]:
    """Do two tasks that do not touch each other's columns, and give what each gave."""
    with ThreadPoolExecutor(1, thread_name_prefix="columns") as thread:
        waiting = thread.submit(other)
        return one(), waiting.result()
