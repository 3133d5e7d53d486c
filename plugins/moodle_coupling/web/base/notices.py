"""What a user is told after a change."""

from __future__ import annotations

from dataclasses import dataclass

from moodle_coupling.contract.verdicts import Tone


@dataclass(frozen=True, slots=True)
class Notice:
    """One or a few sentences, translated and filled in already."""

    text: str
    tone: Tone = Tone.GOOD
