"""What one can do with an environment: pause, resume, test, run, lift its quarantine. Each is noted with the user's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Form, Request, Response

from moodle_coupling.contract.verdicts import Tone
from moodle_coupling.errors import CouplingPaused, SettingError
from moodle_coupling.orchestration import names
from moodle_coupling.orchestration.connection_checks import check_environment, check_one, lift_quarantine
from moodle_coupling.orchestration.pause import Switch, note_in_ledger
from moodle_coupling.web.base.access import Access, AccessDep, Right
from moodle_coupling.web.base.couplings import ledger_if_any, the_ledger
from moodle_coupling.web.base.forms import Notice
from moodle_coupling.web.base.templating import done, is_htmx
from moodle_coupling.web.base.words import say, texts_for
from moodle_coupling.web.environments import state as starting
from moodle_coupling.web.environments.pages import card_values, whole_page

if TYPE_CHECKING:
    from moodle_coupling.hooks.moodle.check import Finding
    from moodle_coupling.orchestration.connection_checks import Checked
    from moodle_coupling.web.base.couplings import Coupling

router = APIRouter(prefix="/environments/{env}")
Back = Annotated[str, Form()]
PAUSED: Final = say("Paused. A load that is under way stops within one batch and waits; nothing is lost.")
PAUSED_ALREADY: Final = say("It was paused already; the reason given first stays.")
RESUMED: Final = say("Resumed. A load that waits goes on by itself within a minute or so.")
NOT_PAUSED: Final = say("It was not paused.")
STARTED: Final = say("Asked for. The run appears here as soon as Airflow begins it.")
OFF: Final = say("Asked for, but the Dag is switched off in Airflow: the run waits until somebody switches it on.")
FIT: Final = say("The connection is fit for a run.")
FIT_AND_LIFTED: Final = say("The connection is fit for a run, and the quarantine is lifted.")
UNFIT: Final = say("The connection is not fit for a run; what to mend stands with the environment.")
UNFIT_AND_LIFTED: Final = say(
    "The Moodle is fit and the quarantine is lifted, but where persons come from is not fit for a run; what to mend stands with "
    "the environment."
)
NOT_TESTED: Final = say("Not tested: the environment is paused, and then no request of any kind goes to its Moodle.")
LIFTED: Final = say("The quarantine is lifted.")
IN_NONE: Final = say("It was in no quarantine.")
UNNOTED: Final = say("Who did it is not noted, as the ledger cannot be asked.")


@router.post("/pause")
def pause(
    request: Request, env: str, access: AccessDep, reason: Annotated[str, Form(max_length=500)] = "", back: Back = "/"
) -> Response:
    """Pause an environment, with a reason that everyone sees."""
    switch = _switch(access, env)
    changed, _ = switch.pause(reason=reason.strip(), by=access.name)
    noted = not changed or _noted(access, env, "pause", reason.strip())
    return _answer(request, access, env, back, _notice(request, PAUSED if changed else PAUSED_ALREADY, noted=noted))


@router.post("/resume")
def resume(request: Request, env: str, access: AccessDep, back: Back = "/") -> Response:
    """Let a paused environment go on."""
    switch = _switch(access, env)
    changed, _ = switch.resume()
    noted = not changed or _noted(access, env, "resume")
    return _answer(request, access, env, back, _notice(request, RESUMED if changed else NOT_PAUSED, noted=noted))


@router.post("/lift")
def lift(request: Request, env: str, access: AccessDep, back: Back = "/") -> Response:
    """End a quarantine."""
    from moodle_coupling.ledger import leases

    access.require(Right.OPERATE, env)
    lifted = leases.lift(the_ledger(), env, by=access.name)
    noted = not lifted or _noted(access, env, "lift quarantine")
    return _answer(request, access, env, back, _notice(request, LIFTED if lifted else IN_NONE, noted=noted))


@router.post("/test")
def check(request: Request, env: str, access: AccessDep, back: Back = "/") -> Response:
    """Test the connection and explain what was found; one that passes ends a quarantine."""
    from moodle_coupling.hooks.moodle.check import is_fit

    access.require(Right.OPERATE, env)
    try:
        checked = _checked(access.coupling(env))
    except CouplingPaused:
        return _answer(request, access, env, back, _notice(request, NOT_TESTED, Tone.WARN))
    except SettingError as error:
        return _answer(request, access, env, back, Notice(texts_for(request).say(error.said), Tone.BAD))
    findings, fit = checked.findings, checked.is_fit
    ledger, _ = ledger_if_any()
    lifted = is_fit(checked.moodle) and ledger is not None and lift_quarantine(ledger, env)
    noted = _noted(access, env, "check", "fit" if fit else ", ".join(_codes(findings)))
    said = (FIT_AND_LIFTED if lifted else FIT) if fit else (UNFIT_AND_LIFTED if lifted else UNFIT)
    notice = _notice(request, said, Tone.GOOD if fit else Tone.BAD, noted=noted)
    worst_first = sorted(findings, key=lambda finding: ["error", "warning", "ok"].index(finding.level))
    if not is_htmx(request):
        return whole_page(request, access, env, notice=notice, findings=worst_first)
    return _answer(request, access, env, back, notice, findings=worst_first)


@router.post("/dry-run")
def dry_run(request: Request, env: str, access: AccessDep, back: Back = "/") -> Response:
    """Ask for a run that compares everything and writes nothing."""
    return _start(request, access, env, back, dry=True)


@router.post("/reconcile")
def reconcile(request: Request, env: str, access: AccessDep, back: Back = "/") -> Response:
    """Ask for a run that compares everything and puts right what differs."""
    return _start(request, access, env, back, dry=False)


def _start(request: Request, access: Access, env: str, back: str, *, dry: bool) -> Response:
    access.require(Right.RUN, env)
    started = starting.start(names.reconcile_id(env), {"dry_run": dry}, by=access.name)
    noted = _noted(access, env, "dry run" if dry else "reconcile", started.run_id)
    said, tone = (STARTED, Tone.GOOD) if started.is_on else (OFF, Tone.WARN)
    return _answer(request, access, env, back, _notice(request, said, tone, noted=noted))


def _switch(access: Access, env: str) -> Switch:
    return Switch(env, access.coupling(env, Right.OPERATE).connection)


def _checked(coupling: Coupling) -> Checked:
    return check_environment(coupling.mapping) if coupling.mapping is not None else check_one(coupling.connection)


def _codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings if finding.level == "error"]


def _noted(access: Access, env: str, action: str, detail: str = "") -> bool:
    ledger, problem = ledger_if_any()
    return not note_in_ledger(ledger, problem, by=access.name, environment=env, action=action, detail=detail)


def _notice(request: Request, said: str, tone: Tone = Tone.GOOD, *, noted: bool = True) -> Notice:
    texts = texts_for(request)
    return Notice(texts(said), tone) if noted else Notice(f"{texts(said)} {texts(UNNOTED)}", Tone.WARN)


def _answer(request: Request, access: Access, env: str, back: str, notice: Notice, **values: Any) -> Response:
    if is_htmx(request):
        values |= card_values(access, [env])
    return done(
        request,
        back=back if back.startswith("/") else "/",
        notice=notice,
        fragment="environments/_parts.html",
        known=[],
        **values,
    )
