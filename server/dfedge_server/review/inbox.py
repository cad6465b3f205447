"""The list of what waits for an analyst: what is asked of it, and a row each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import urlencode

from dfedge.escalation.wire import Escalation, Override, State
from dfedge.report.view import TONES, Tone
from dfedge.report.wording import percent, printable
from dfedge.verdict import Label, Verdict
from dfedge_server.escalations.listing import Filters
from dfedge_server.problems import ProblemError
from dfedge_server.review.page import source_name
from dfedge_server.review.words import KINDS, LABELS, STATES

PAGE: Final = 25
"""Rows of a page."""

_Choice = TypeVar("_Choice", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class SelectView:
    """One choice among several."""

    name: str
    title: str
    chosen: str
    choices: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FiltersView:
    """The form above the list, filled in as it was sent.

    Attributes:
        any: whether anything is filtered.
        query: what it adds to an address.
    """

    q: str
    selects: tuple[SelectView, ...]
    any: bool
    query: Mapping[str, str]

    def href(self, cursor: str | None = None) -> str:
        """The address of a page of this list."""
        query = dict(self.query) | ({"cursor": cursor} if cursor else {})
        return "/review" + (f"?{urlencode(query)}" if query else "")


@dataclass(frozen=True, slots=True)
class RowView:
    """One escalation in the list.

    Attributes:
        label: the person's where there is one, else the models', else how far it is.
        probability: the models', as long as no person has decided.
        person: who decided, and what the models had said.
    """

    id: str
    name: str
    kind: str
    created_at: datetime
    label: str
    tone: Tone
    probability: str
    device: str
    person: str


def read_filters(query: Mapping[str, str]) -> tuple[Filters, FiltersView]:
    """What an address asks for, and the form that asks it again.

    Raises:
        ProblemError: a value is none of those the form offers.
    """
    name = query.get("q", "").strip()[:200]
    state = _choice(State, query, "state")
    label = _choice(Label, query, "label")
    person = query.get("person", "")
    if person not in ("", "yes", "no"):
        raise ProblemError("invalid_request", "person is yes or no")
    kept = {"q": name, "state": state or "", "label": label or "", "person": person}
    selects = (
        _select("state", "State", kept, [(one.value, text) for one, text in STATES.items()]),
        _select("label", "Models say", kept, [(one.value, text) for one, text in LABELS.items()]),
        _select("person", "Decided by a person", kept, [("yes", "Yes"), ("no", "Not yet")]),
    )
    wanted = Filters(
        state=state,
        label=label,
        name=name or None,
        overridden={"yes": True, "no": False}.get(person),
    )
    given = {key: value for key, value in kept.items() if value}
    return wanted, FiltersView(name, selects, bool(given), given)


def row_view(escalation: Escalation) -> RowView:
    """A row of the list."""
    verdict = escalation.verdict
    override = escalation.overrides[0] if escalation.overrides else None
    label: Label | None = None
    if override is not None:
        label = override.label
    elif verdict is not None:
        label = verdict.label
    score = None if verdict is None else verdict.fake_probability
    return RowView(
        id=str(escalation.id),
        name=source_name(escalation),
        kind=KINDS[escalation.kind],
        created_at=escalation.created_at,
        label=STATES[escalation.state] if label is None else label.value.replace("_", " "),
        tone="none" if label is None else TONES[label],
        probability="" if score is None or override is not None else percent(score),
        device=LABELS[escalation.device_label].lower() if escalation.device_label else "",
        person="" if override is None else _decided(override, verdict),
    )


def _decided(override: Override, verdict: Verdict | None) -> str:
    told = f"decided by {printable(override.by)}"
    if verdict is None:
        return told
    told += f", models said {LABELS[verdict.label].lower()}"
    score = verdict.fake_probability
    return told if score is None else f"{told} with P(fake) {percent(score)}"


def _choice(kind: type[_Choice], query: Mapping[str, str], name: str) -> _Choice | None:
    value = query.get(name, "")
    try:
        return kind(value) if value else None
    except ValueError:
        raise ProblemError(
            "invalid_request", f"{name} is one of {', '.join(kind)}, or empty for all."
        ) from None


def _select(
    name: str, title: str, kept: Mapping[str, str], choices: list[tuple[str, str]]
) -> SelectView:
    return SelectView(name, title, kept[name], (("", "All"), *choices))
