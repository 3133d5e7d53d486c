"""Short names for long things: the facts of a mismatch, and a whole plan."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_OF_A_PLAN: Final = ("row", "person_id", "extern_id", "idnumber", "account_id", "action", "username", "changes")


def facts_digest(facts: str | Mapping[str, Any]) -> str:
    """Name what a mismatch stands on; the order of keys and the spacing of the JSON do not count."""
    value = json.loads(facts) if isinstance(facts, str) else facts
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def plan_digest(plan: pd.DataFrame) -> str:
    """Name a plan (PLAN_COLUMNS of matching/frames.py) by all that it would write, to whom, in which row.

    An approval and the intentions hold for exactly the plan of that name.
    """
    text = plan[[name for name in _OF_A_PLAN if name in plan.columns]].to_csv(index=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
