"""When two keys are the same to a lookup: letter case, surrounding spaces and the Unicode form count for nothing."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def folded(text: str) -> str:
    """Give a key that is equal where matching takes two texts for the same."""
    return unicodedata.normalize("NFC", text).strip().casefold()


def all_folded(texts: Iterable[str]) -> set[str]:
    """Give the folded keys of texts, without the empty one."""
    return {key for text in texts if (key := folded(text))}


def is_among(texts: pd.Series[str], keys: Collection[str]) -> pd.Series[bool]:
    """Tell which texts have one of these folded keys; ``isin`` takes seconds on 200,000 Arrow strings."""
    return pd.Series([folded(text) in keys for text in texts], index=texts.index, dtype="bool")
