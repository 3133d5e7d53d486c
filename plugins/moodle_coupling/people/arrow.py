"""Columns of Arrow: reading, comparing and making them, on two threads and without Python's collector."""

from __future__ import annotations

import gc
import importlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias, TypeVar

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

pa: Any = importlib.import_module("pyarrow")
pc: Any = importlib.import_module("pyarrow.compute")
"""pyarrow brings no types, and its compute functions are made at run time: to the type checker both are Any."""

Texts: TypeAlias = Any
"""A ``pyarrow.LargeStringArray`` without nulls."""

Mask: TypeAlias = "NDArray[np.bool_]"

_STR: Final[Any] = pd.StringDtype("pyarrow", na_value=np.nan)
_SURROGATES: Final = dict.fromkeys(range(0xD800, 0xE000), "\ufffd")


def compact_memory() -> None:
    """Let Arrow take its memory from jemalloc, for this process: it gives back what columns leave, where the usual pool keeps it.

    For a task, which is a process of its own: at a million people its peak is 0.3 GB lower and it takes no longer
    (benchmarks/matching.md). Where pyarrow was built without jemalloc nothing changes.
    """
    with suppress(NotImplementedError):
        pa.set_memory_pool(pa.jemalloc_memory_pool())


def to_texts(values: pd.Series | Iterable[str]) -> Texts:
    """Return a column as an Arrow array: absent becomes '', half a surrogate pair becomes U+FFFD."""
    if isinstance(values, pd.Series) and isinstance(values.dtype, pd.StringDtype):
        found = pa.array(values, type=pa.large_string())
    else:
        found = pa.array([_as_text(value) for value in values], type=pa.large_string())
    if isinstance(found, pa.ChunkedArray):
        found = found.chunk(0) if found.num_chunks == 1 else found.combine_chunks()
    return pc.fill_null(found, "") if found.null_count else found


def _as_text(value: object) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return ""
    text = str(value)
    return text if text.isascii() else text.translate(_SURROGATES)


def to_series(texts: Texts) -> pd.Series:
    """Return an Arrow array as a Series of pandas' own ``str`` dtype."""
    return pd.Series(_STR.__from_arrow__(texts))


def same_text(value: str, length: int) -> Texts:
    """Return ``length`` times the same text."""
    return pa.repeat(pa.scalar(value, pa.large_string()), length)


def join(*parts: Texts, by: str = "") -> Texts:
    """Return the parts of each row joined by ``by``; a part may also be one text for all."""
    texts = [pa.scalar(part, pa.large_string()) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*texts, pa.scalar(by, pa.large_string()))


def together(*texts: Texts) -> Texts:
    """Return arrays behind each other as one."""
    return pa.concat_arrays(texts)


def stacked(*texts: Texts) -> pd.Series:
    """Return arrays behind each other as one column, which shares their memory."""
    return pd.Series(_STR.__from_arrow__(pa.chunked_array(list(texts), type=pa.large_string())))


def taken(texts: Texts, places: NDArray[np.intp], otherwise: str = "") -> Texts:
    """Return the texts at these places, and ``otherwise`` where a place is negative."""
    absent = places < 0
    if not absent.any():
        return texts.take(pa.array(places))
    found = together(texts, pa.array([otherwise], type=pa.large_string()))
    return found.take(pa.array(np.where(absent, len(texts), places)))


def scattered(length: int, places: NDArray[np.intp], texts: Texts, otherwise: str = "") -> Texts:
    """Return ``length`` texts: ``texts`` at their places, of which the last counts, and ``otherwise`` at all others."""
    at = np.full(length, -1, dtype=np.intp)
    at[places] = np.arange(len(places))
    return taken(texts, at, otherwise)


def is_in(texts: Texts, values: Texts | Iterable[str]) -> Mask:
    """Return which texts are among the values."""
    wanted = values if isinstance(values, pa.Array) else pa.array(list(values), type=pa.large_string())
    return as_mask(pc.is_in(texts, value_set=wanted))


def equal(texts: Texts, others: Texts | str) -> Mask:
    """Return which texts are the same as their counterpart, or as one text."""
    return as_mask(pc.equal(texts, pa.scalar(others, pa.large_string()) if isinstance(others, str) else others))


def not_ascii(texts: Texts) -> Mask:
    """Return which texts hold any letter beyond ASCII."""
    data, _ = bytes_of(texts)
    if not len(data) or data.max() < 0x80:
        return np.zeros(len(texts), dtype=bool)
    return ~as_mask(pc.string_is_ascii(texts))


def choose(mask: Mask, yes: Texts, no: Texts) -> Texts:
    """Return ``yes`` where the mask is true, else ``no``; both may also be one text for all."""
    yes, no = (pa.scalar(text, pa.large_string()) if isinstance(text, str) else text for text in (yes, no))
    return pc.if_else(pa.array(mask), yes, no)


def as_mask(condition: Any) -> Mask:
    """Return an Arrow boolean array as a numpy mask."""
    mask: Mask = np.asarray(condition.to_numpy(zero_copy_only=False), dtype=bool)
    return mask


def is_blank(texts: Texts) -> Mask:
    """Return which texts are ''."""
    return as_mask(pc.equal(pc.binary_length(texts), 0))


def bytes_of(texts: Texts) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the UTF-8 bytes of all texts in one row, and the offsets (one more than texts) where each begins."""
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, dtype=np.int64)[texts.offset : texts.offset + len(texts) + 1]
    if data is None or not len(starts):
        return np.empty(0, np.uint8), np.zeros(len(texts) + 1, np.int64)
    return np.frombuffer(data, dtype=np.uint8)[starts[0] : starts[-1]], starts - starts[0]


def rows_at(positions: NDArray[np.intp], offsets: NDArray[np.int64]) -> Mask:
    """Return which rows hold at least one of the byte positions."""
    mask = np.zeros(len(offsets) - 1, dtype=bool)
    if len(positions):
        mask[np.searchsorted(offsets[1:], positions, side="right")] = True
    return mask


def rows_with(texts: Texts, table: NDArray[np.bool_]) -> Mask:
    """Return which texts hold a byte for which ``table`` (256 booleans) is true."""
    data, offsets = bytes_of(texts)
    marked = data.tobytes().translate(table.tobytes())
    return rows_at(np.flatnonzero(np.frombuffer(marked, dtype=np.bool_)), offsets)


def change_where(texts: Texts, mask: Mask, change: Callable[[str], str]) -> Texts:
    """Return the texts with ``change`` applied where ``mask`` is true, once per different text."""
    if not mask.any():
        return texts
    coded = pc.dictionary_encode(texts.filter(pa.array(mask)))
    changed = pa.array([change(value) for value in coded.dictionary.to_pylist()], type=pa.large_string())
    return pc.replace_with_mask(texts, pa.array(mask), changed.take(coded.indices))


def blank_where(texts: Texts, mask: Mask) -> Texts:
    """Return the texts with '' where ``mask`` is true."""
    if not mask.any():
        return texts
    return pc.if_else(pa.array(mask), pa.scalar("", pa.large_string()), texts)


def longer_than(texts: Texts, limit: int) -> Mask:
    """Return which texts have more than ``limit`` characters (code points, as Moodle's database counts)."""
    longest = pc.max(pc.binary_length(texts)).as_py() or 0
    if longest <= limit:
        return np.zeros(len(texts), dtype=bool)
    return as_mask(pc.greater(pc.utf8_length(texts), limit))


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


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Let Python not look for circles of unreachable objects meanwhile; what nothing refers to is freed all the same.

    Each look passes every object there is, a worker's own included, and finds nothing in a step that makes columns.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
