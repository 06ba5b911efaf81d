"""Why this current, and why it changes: a composite schedule in plain English, one sentence for every change.

Pure. The command line, the control command and the panel say the same sentences. Only reasons that fit the moment exactly are
given; where none does (a drawn randomizedDelay, say) the sentence says what happened and leaves out why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from station.core.charging.composite import Composite, CompositePeriod, PhaseLimits, Source, Tx, Zone
from station.core.charging.explain_reasons import Moment, again, begin, end
from station.core.charging.explain_words import amount, local_time, phases_text, rates, who
from station.core.charging.profiles import Installed, Purpose, RateUnit
from station.core.charging.totals import TOGETHER

__all__ = ["Change", "explain", "number", "source_json"]

MINIMUM_A = 6
TX_TERM = (Purpose.PRIORITY, Purpose.TX, Purpose.TX_DEFAULT)
"""One of these is the limit of the transaction: the first that there is (K01.FR.36 and 2.1 K01.FR.70)."""


@dataclass(frozen=True, slots=True)
class Change:
    """A moment at which the limit or its cause changes.

    at: wall second. local: the same on the station's clock, RFC 3339. cause: who binds, in words; None: nobody. new_cause: it was
    another one before (False: the same one, with another limit). binding, sources: of the period that begins.
    """

    at: int
    local: str
    sentence: str
    limit: PhaseLimits | None
    unit: RateUnit
    phases: int | None
    cause: str | None
    new_cause: bool
    binding: Source | None
    sources: tuple[Source, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; rates in `unit`, rounded to thousandths."""
        return {
            "at": self.at,
            "local": self.local,
            "sentence": self.sentence,
            "limit": None if self.limit is None else number(self.limit.total),
            "unit": self.unit.value,
            "phases": self.phases,
            "cause": self.cause,
            "new_cause": self.new_cause,
            "sources": [source_json(source, binding=source == self.binding) for source in self.sources],
        }


def number(value: Fraction | None) -> float | None:
    """For JSON: thousandths are the resolution of rates."""
    return None if value is None else float(round(value, 3))


def source_json(source: Source, *, binding: bool) -> dict[str, Any]:
    """One source; `given` is in `given_unit`, as the profile says it, `limit` in the unit of the schedule."""
    return {
        "name": who(source),
        "purpose": None if source.purpose is None else source.purpose.value,
        "profile": source.profile,
        "stack_level": source.stack_level,
        "limit": number(source.limit),
        "phases": source.phases,
        "given": number(source.raw),
        "given_unit": source.unit.value,
        "binding": binding,
    }


def explain(
    composite: Composite, zone: Zone | None = None, *, installed: Iterable[Installed] = (), tx: Tx | None = None
) -> tuple[Change, ...]:
    """One change per moment at which the limit, its phases or its cause becomes another, the first for the start.

    composite: made with `merge_causes=False`. installed, tx: what it was made of; with them the sentences also say why (validTo, a
    duration that is over...). Never raises on what `compose` gives.
    """
    teller = _Teller(composite, zone, {each.profile.id: each for each in installed}, tx)
    changes: list[Change] = []
    before: CompositePeriod | None = None
    for period in composite.periods:
        if before is None or _face(before) != _face(period):
            changes.append(teller.change(before, period))
            before = period
        elif before.sources != period.sources:
            before = period  # something below the limit moved: what comes next is compared with this
    return tuple(changes)


def _face(period: CompositePeriod) -> tuple[object, ...]:
    """What people see of a period."""
    shown = (period.limit, period.phases, period.phase_to_use, period.setpoint, period.discharge, period.mode)
    return (*shown, _identity(period.binding))


def _identity(source: Source | None) -> tuple[object, ...] | None:
    return None if source is None else (source.name, source.purpose, source.profile)


def _slot(source: Source) -> object:
    """Sources of one slot take each other's place; slots are combined."""
    if source.purpose is None:
        return source.name
    return Purpose.TX if source.purpose in TX_TERM else source.purpose


@dataclass(frozen=True, slots=True)
class _Teller:
    composite: Composite
    zone: Zone | None
    installed: Mapping[int, Installed]
    tx: Tx | None

    def change(self, before: CompositePeriod | None, period: CompositePeriod) -> Change:
        at = self.composite.start + period.start
        sentence = self._first(period) if before is None else self._next(before, period, at)
        binding = period.binding
        return Change(
            at=at,
            local=local_time(at, self.zone),
            sentence=sentence[:1].upper() + sentence[1:],
            limit=period.limit,
            unit=self.composite.unit,
            phases=period.phases,
            cause=None if binding is None else who(binding),
            new_cause=before is None or _identity(before.binding) != _identity(binding),
            binding=binding,
            sources=period.sources,
        )

    # --- whole sentences ---------------------------------------------------------------------------------------------

    def _first(self, period: CompositePeriod) -> str:
        if period.limit is None or period.binding is None:
            return f"at first {self._offer(period)}: no profile applies."
        binding = period.binding
        given = "" if binding.unit is self.composite.unit else self._with(binding)
        others = _list(self._others(period, period.sources))
        return f"at first {self._offer(period)}: {who(binding)} {_verb(binding, 'bind')}{given}{others}."

    def _next(self, before: CompositePeriod, period: CompositePeriod, at: int) -> str:
        happened = list(self._happened(before, period, at))
        was, binding = before.binding, period.binding
        new = _identity(was) != _identity(binding)
        if binding is None:
            happened.append("no other profile gives a limit" if happened else "no profile gives a limit")
        elif new and not any(told.startswith(who(binding)) for told in happened):
            happened.append(f"{who(binding)} {_verb(binding, 'bind')} now{self._with(binding)}")
        elif not happened:
            happened.append(f"{who(binding)} {_verb(binding, 'stay')} the cause")
        rest = ""
        if new and was is not None and not any(told.startswith(who(was)) for told in happened):
            rest = _list(self._others(period, [s for s in period.sources if _identity(s) == _identity(was)]))
        return f"{self._moved(before, period)}: {'; '.join(happened)}{rest}."

    # --- how much ----------------------------------------------------------------------------------------------------

    def _offer(self, period: CompositePeriod) -> str:
        if period.limit is None:
            return f"no limit{self._v2x(period)}"
        phases = phases_text(period.phases, period.phase_to_use)
        return f"{rates(period.limit, self.composite.unit)}{phases}{self._paused(period)}{self._v2x(period)}"

    def _paused(self, period: CompositePeriod) -> str:
        """IEC 61851-1: a car cannot be offered less."""
        limit = period.limit
        alternating = self.composite.unit is RateUnit.A and period.phases
        if not alternating or limit is None or limit.l2 is not None or not 0 < limit.total < MINIMUM_A:
            return ""
        return f" (below {MINIMUM_A} A: a car is paused)"

    def _v2x(self, period: CompositePeriod) -> str:
        """2.1: what goes beyond a limit of charging."""
        unit = self.composite.unit
        told = [f"operation mode {period.mode.value}"] if period.mode is not None else []
        told += [f"setpoint {rates(period.setpoint, unit)}"] if period.setpoint is not None else []
        told += [f"discharge limit {rates(period.discharge, unit)}"] if period.discharge is not None else []
        return "".join(f", {each}" for each in told)

    def _moved(self, before: CompositePeriod, period: CompositePeriod) -> str:
        unit = self.composite.unit
        same_phases = (before.phases, before.phase_to_use) == (period.phases, period.phase_to_use)
        phases = "" if same_phases else phases_text(period.phases, period.phase_to_use)
        more = self._v2x(period) if self._v2x(before) != self._v2x(period) else ""
        if period.limit is None:
            return f"no limit any more{more}" if before.limit is not None else f"still no limit{more}"
        now = rates(period.limit, unit)
        to = f"{now}{phases}{self._paused(period)}{more}"
        if before.limit is None:
            return f"limited to {to}"
        was = rates(before.limit, unit)
        if same_phases and was == now:
            return f"still {now}{more}"
        if period.limit.total == 0 and before.limit.total != 0:
            return f"charging pauses, from {was} to {to}"
        if not same_phases:  # neither more nor less: 16 A on one phase are less than 8 A on three
            return f"from {was}{phases_text(before.phases, before.phase_to_use)} to {to}"
        word = "up" if period.limit.total > before.limit.total else "down"
        if period.limit.total == before.limit.total:
            word = "changed"
        return f"{word} from {was} to {to}"

    def _with(self, source: Source) -> str:
        """What a source gives, and what that is in the unit of the schedule."""
        unit = self.composite.unit
        if source.limit is None:
            return ""
        here = amount(source.limit, unit)
        if source.raw is None or source.unit is unit:
            return f" with {here}"
        if not source.raw:
            return f" with {amount(source.raw, source.unit)}"
        return f" with {amount(source.raw, source.unit)} ({here})"

    def _others(self, period: CompositePeriod, sources: Iterable[Source]) -> Iterator[str]:
        for source in sources:
            if _identity(source) == _identity(period.binding) or source.limit is None:
                continue
            if source.purpose is Purpose.LOCAL_GENERATION:
                yield f"{who(source)} adds {amount(source.limit, self.composite.unit)}"
            else:
                yield f"{who(source)} would allow {amount(source.limit, self.composite.unit)}"

    # --- what happened -----------------------------------------------------------------------------------------------

    def _happened(self, before: CompositePeriod, period: CompositePeriod, at: int) -> Iterator[str]:
        """What became of the one that bound and of the one that binds now; when nothing did, of anything else."""
        old = {_slot(source): source for source in before.sources}
        new = {_slot(source): source for source in period.sources}
        chief = dict.fromkeys(_slot(s) for s in (before.binding, period.binding) if s is not None)
        chief[Purpose.LOCAL_GENERATION] = None
        others = [slot for slot in dict.fromkeys((*old, *new)) if slot not in chief]
        for slots in (chief, others):
            told = [word for slot in slots for word in self._became(old.get(slot), new.get(slot), at)]
            if told:
                yield from told
                return
        yield from (word for slot in chief for word in self._converted(old.get(slot), new.get(slot)))

    def _became(self, old: Source | None, new: Source | None, at: int) -> Iterator[str]:
        one = old or new
        if one is None or one.purpose is None:
            return  # the hardware is always there: it only comes to bind
        if old is None and new is not None:
            yield f"{who(new)} begins{self._why(new, at, begin)}{self._with(new)}"
        elif old is not None and new is None:
            yield f"{who(old)} ends{self._why(old, at, end)}"
        elif old is not None and new is not None:
            if _identity(old) != _identity(new):
                yield from self._took_over(old, new, at)
            else:
                yield from self._went_on(old, new, at)

    def _took_over(self, old: Source, new: Source, at: int) -> Iterator[str]:
        if _above(new, old):
            yield f"{who(new)} begins{self._why(new, at, begin)} and takes the place of {who(old)}{self._with(new)}"
            return
        yield f"{who(old)} ends{self._why(old, at, end)}"
        yield f"{who(new)} applies instead{self._with(new)}"

    def _went_on(self, old: Source, new: Source, at: int) -> Iterator[str]:
        if (old.raw, old.unit, old.phases) == (new.raw, new.unit, new.phases):
            return
        why = self._why(new, at, again)
        phases = "" if old.phases == new.phases else phases_text(new.phases)
        yield f"{who(new)} {'begins again' if why else 'goes on to its next period'}{why}{self._with(new)}{phases}"

    @staticmethod
    def _converted(old: Source | None, new: Source | None) -> Iterator[str]:
        """The same rate, spread over another number of phases."""
        if old is not None and new is not None and old.limit != new.limit and new.raw is not None:
            yield f"{who(new)} still gives {amount(new.raw, new.unit)}, now on another number of phases"

    def _why(self, source: Source, at: int, reason: Any) -> str:
        installed = None if source.profile is None else self.installed.get(source.profile)
        if installed is None:
            return ""
        told = reason(installed.profile, Moment(at, self.composite.start, self.zone, self.tx))
        return f" ({told})" if told else ""


def _above(one: Source, other: Source) -> bool:
    """Whether `one` takes the place of `other` by rank (not because the other has ended)."""
    rank = {purpose: -number for number, purpose in enumerate(TX_TERM)}
    mine = (rank.get(one.purpose, 0) if one.purpose else 0, one.stack_level or 0)
    return mine > (rank.get(other.purpose, 0) if other.purpose else 0, other.stack_level or 0)


def _verb(source: Source, verb: str) -> str:
    """Of one, or of several: EVSEs together bind."""
    return verb if source.name == TOGETHER else f"{verb}s"


def _list(words: Iterable[str]) -> str:
    told = list(words)
    return f"; {', '.join(told)}" if told else ""
