"""What a user is told after a change."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    """How a notice or a badge looks."""

    GOOD = "good"
    INFO = "info"
    WARN = "warn"
    BAD = "bad"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Notice:
    """One or a few sentences, translated and filled in already."""

    text: str
    tone: Tone = Tone.GOOD
