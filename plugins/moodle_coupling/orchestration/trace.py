"""The trace of one person: five steps from the source to Moodle, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``ok`` is False where the person got no further, or something must be mended or decided.

    ``said`` is one sentence that holds ids, codes and counts only, fit for a log; ``lines`` are the details, with names
    and values. ``facts`` are the same for programs: plain JSON values.
    """

    number: int
    title: str
    ok: bool
    said: str
    lines: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trace:
    """What was found out about one person in one environment; always five steps, in order.

    ``person`` is the id that was asked for, as given; ``found`` the person id that it belongs to in the source, '' where the
    source has nobody of that id: what was typed may be a name or an address, and is not kept. ``status`` is the outcome (OutcomeStatus) of writing, '' when
    nothing was to be written or writing was not asked for.
    """

    environment: str
    person: str
    steps: tuple[Step, ...]
    status: str = ""
    found: str = ""

    @property
    def ok(self) -> bool:
        """Whether every step went well."""
        return all(step.ok for step in self.steps)

    def text(self, *, named: bool = True) -> str:
        """Give the trace for reading; without ``named`` no name, address or other value is in it, as a log wants."""
        parts = [f"Person {self.person} in environment '{self.environment}'"]
        for step in self.steps:
            parts.append(f"{step.number}. {step.title}: {'' if step.ok else '! '}{step.said}")
            if named:
                parts += [f"     {line}" for line in step.lines]
        return "\n".join(parts)

    def json(self) -> str:
        """Give the trace as JSON, with names and values."""
        steps = [
            {
                "number": step.number,
                "title": step.title,
                "ok": step.ok,
                "said": step.said,
                "lines": list(step.lines),
                "facts": dict(step.facts),
            }
            for step in self.steps
        ]
        whole = {
            "environment": self.environment,
            "person": self.person,
            "ok": self.ok,
            "status": self.status,
            "steps": steps,
        }
        return json.dumps(whole, indent=2, ensure_ascii=False)
