"""What can be decided on a mismatch, and how a choice is written in a form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from moodle_coupling.contract.verdicts import DecisionKind
from moodle_coupling.matching.decisions import Option, options, proposed
from moodle_coupling.web.base.couplings import Coupling
from moodle_coupling.web.mismatches.facts import Facts


def shares_addresses(coupling: Coupling) -> bool:
    """Tell whether the coupling's Moodle lets several accounts have one address; not, while its file is wrong."""
    return coupling.mapping is not None and coupling.mapping.matching.shared_email


def choices(record: Mapping[str, Any], facts: Facts, *, shared_email: bool) -> tuple[Option | None, tuple[Option, ...]]:
    """Give what is proposed (None for nothing) and all that can be decided, what is proposed first."""
    verdict = record["verdict"]
    every = options(verdict, facts.raw, shared_email=shared_email)
    best = proposed(verdict, facts.raw, record["proposal"], shared_email=shared_email)
    return best, tuple(sorted(every, key=lambda option: option != best))


def value_of(option: Option) -> str:
    """Write an option as the value of a button: 'link:57', or 'ignore:' where no account is meant."""
    return f"{option.kind}:{'' if option.account_id is None else option.account_id}"


def option_of(value: str, offered: Sequence[Option]) -> Option | None:
    """Find the option that a button stands for among those offered."""
    return next((option for option in offered if value_of(option) == value), None)


def the_only_one(kind: DecisionKind, offered: Sequence[Option]) -> Option | None:
    """Give the option of a kind where it leaves no choice of account; None where it is not offered, or leaves one."""
    found = [option for option in offered if option.kind == kind]
    return found[0] if len(found) == 1 else None
