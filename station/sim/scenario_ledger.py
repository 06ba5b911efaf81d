"""The books of a play: what the station recorded, what the CSMS was told, what the meter and the cars say."""

from __future__ import annotations

import itertools
import operator
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from station.clock import Now, iso
from station.core.effects import Effect, Record
from station.core.facts import TxFact
from station.core.types import TxPhase
from station.sim.csms_journal import Payload, SeenTransaction
from station.sim.lab import Lab
from station.sim.scenario_stage import Stage, evse_of

__all__ = ["Ledger", "duplicates", "energy_problems", "undelivered"]

REGISTER = "Energy.Active.Import.Register"


@dataclass(slots=True)
class Ledger:
    """Every transaction fact that the core recorded, in order."""

    facts: list[TxFact] = field(default_factory=list)

    def follow(self, lab: Lab) -> None:
        """Listen to a station, through all its restarts."""
        lab.on_turn(self._turn)

    def _turn(self, _event: object, effects: list[Effect], _now: Now) -> None:
        self.facts += [
            effect.fact for effect in effects if isinstance(effect, Record) and isinstance(effect.fact, TxFact)
        ]


# --- delivery -------------------------------------------------------------------------------------------------------


def undelivered(stage: Stage, ledger: Ledger) -> list[str]:
    """What is missing, too much or out of order, in words."""
    if stage.csms.station(stage.station).version == "1.6" or stage.started == "1.6":
        return list(_undelivered_16(stage, ledger)) + list(_undelivered_201(stage, _modern(stage, ledger)))
    return list(_undelivered_201(stage, ledger.facts))


def _modern(stage: Stage, ledger: Ledger) -> list[TxFact]:
    """After a migration: facts of transactions that were told in 2.x."""
    told = {tx_id for tx_id, seen in stage.csms.station(stage.station).transactions.items() if seen.events}
    return [fact for fact in ledger.facts if fact.tx_id in told]


def _undelivered_201(stage: Stage, facts: list[TxFact]) -> Iterator[str]:
    recorded = [(fact.tx_id, fact.seq) for fact in facts]
    received: dict[tuple[str, int], None] = {}  # keeps the order of the first arrival
    for frame in stage.csms.journal.calls(stage.station, "TransactionEvent"):
        received.setdefault((frame.payload["transactionInfo"]["transactionId"], frame.payload["seqNo"]))
    missing = [key for key in recorded if key not in received]
    extra = [key for key in received if key not in set(recorded)]
    if missing:
        yield f"{len(missing)} of {len(recorded)} records did not arrive, the first is seqNo {missing[0][1]} of {missing[0][0]}"
    if extra:
        yield f"{len(extra)} events came that were never recorded, the first is seqNo {extra[0][1]} of {extra[0][0]}"
    if not missing and not extra and list(received) != recorded:
        place = next(index for index, pair in enumerate(zip(received, recorded, strict=True)) if pair[0] != pair[1])
        yield f"record {place + 1} should have been seqNo {recorded[place][1]}, but seqNo {list(received)[place][1]} came"


def _undelivered_16(stage: Stage, ledger: Ledger) -> Iterator[str]:
    """1.6 has no seqNo: the n-th chargeable transaction of a connector is the n-th StartTransaction that names it."""
    told: dict[int, list[SeenTransaction]] = defaultdict(list)
    starts: set[str] = set()
    for seen in stage.csms.station(stage.station).transactions.values():
        if seen.start is None:
            continue
        same = str(sorted(seen.start.items()))
        if same not in starts:
            starts.add(same)
            told[int(seen.start["connectorId"])].append(seen)
    recorded: dict[int, list[list[TxFact]]] = defaultdict(list)
    modern = {fact.tx_id for fact in _modern(stage, ledger)}
    for facts in _transactions(ledger.facts):
        if facts[0].tx_id not in modern and any(fact.authorized and fact.connected for fact in facts):
            recorded[facts[0].evse].append(facts)
    for connector in sorted(recorded.keys() | told.keys()):
        ours, theirs = recorded[connector], told[connector]
        if len(ours) != len(theirs):
            yield f"connector {connector}: {len(ours)} transactions began, the CSMS was told of {len(theirs)}"
        for facts, seen in zip(ours, theirs, strict=False):
            yield from (f"transaction {seen.id} at connector {connector}: {text}" for text in _compare_16(facts, seen))


def _transactions(facts: list[TxFact]) -> list[list[TxFact]]:
    found: dict[str, list[TxFact]] = {}
    for fact in facts:
        found.setdefault(fact.tx_id, []).append(fact)
    return list(found.values())


def _compare_16(facts: list[TxFact], seen: SeenTransaction) -> Iterator[str]:
    begun = next(index for index, fact in enumerate(facts) if fact.authorized and fact.connected)
    updates = [fact for fact in facts[begun:] if fact.phase is TxPhase.UPDATED]
    wanted = [iso(sample.at.wall) for fact in updates for sample in fact.samples]
    came = list(dict.fromkeys(value["timestamp"] for payload in seen.samples for value in payload["meterValue"]))
    wanted = list(dict.fromkeys(wanted))
    missing = [at for at in wanted if at not in came]
    if missing:
        yield f"{len(missing)} of {len(wanted)} samples did not arrive, the first is of {missing[0]}"
    if came != sorted(came):
        yield "its samples came out of order"
    ended = any(fact.phase is TxPhase.ENDED for fact in facts)
    if ended and not seen.stops:
        yield "its StopTransaction did not arrive"
    if seen.stops and not ended:
        yield "it was stopped, but it goes on"
    if any(stop != seen.stops[0] for stop in seen.stops):
        yield "its StopTransaction came again with other content"


def duplicates(stage: Stage) -> list[str]:
    """Transaction messages that came more than once."""
    counts: dict[str, int] = defaultdict(int)
    for frame in stage.csms.journal.calls(stage.station):
        if frame.action in {"TransactionEvent", "StartTransaction", "StopTransaction"}:
            counts[f"{frame.action} {_name(frame.payload)}"] += 1
    return [f"{name} came {count} times" for name, count in counts.items() if count > 1]


def _name(payload: Payload) -> str:
    if "transactionInfo" in payload:
        return f"seqNo {payload['seqNo']} of {payload['transactionInfo']['transactionId']}"
    return f"of {payload.get('transactionId', payload.get('connectorId'))} at {payload['timestamp']}"


# --- energy ---------------------------------------------------------------------------------------------------------


def energy_problems(stage: Stage, evse: int, tolerance_wh: float) -> tuple[float, list[str]]:
    """Energy that the CSMS was told of an EVSE, Wh, and what does not fit."""
    problems: list[str] = []
    told, count = 0.0, 0
    for seen in stage.csms.station(stage.station).transactions.values():
        if evse_of(seen) != evse:
            continue
        registers = _registers(seen)
        if registers:
            told += registers[-1] - registers[0]
            count += 1
        if any(later < earlier - tolerance_wh for earlier, later in itertools.pairwise(registers)):
            problems.append(f"the register of transaction {seen.id} went backwards: {registers}")
    metered = stage.lab.board.evse(evse).meter.register_wh - stage.registers[evse]
    drawn = sum(
        (car.battery.energy_wh - car.put_in_wh - before) / car.settings.efficiency for car, before in _cars(stage, evse)
    )
    allowed = tolerance_wh * max(count, 1)
    if abs(told - metered) > allowed:
        problems.append(f"the CSMS was told {told:.1f} Wh in {count} transactions, the meter counted {metered:.1f} Wh")
    if abs(drawn - metered) > allowed:
        problems.append(f"the meter counted {metered:.1f} Wh, the cars took {drawn:.1f} Wh")
    return told, problems


def _cars(stage: Stage, evse: int) -> list[tuple[Any, float]]:
    cars = stage.cars.get(evse, [])
    for car, _ in cars:
        car.advance()
    return cars


def _registers(seen: SeenTransaction) -> list[float]:
    """The energy register as it was told, Wh, in the order of its readings (an Ended repeats the first one)."""
    if seen.start is not None:
        found = [(seen.start["timestamp"], float(seen.start["meterStart"]))]
        for payload in seen.samples:
            found += _sampled(payload["meterValue"])
        if seen.stops:
            found.append((seen.stops[0]["timestamp"], float(seen.stops[0]["meterStop"])))
    else:
        found = [pair for event in seen.by_seq.values() for pair in _sampled(event.get("meterValue", ()))]
    return [register for _, register in sorted(found, key=operator.itemgetter(0))]


def _sampled(meter_values: Any) -> Iterator[tuple[str, float]]:
    for meter_value in meter_values:
        for sample in meter_value["sampledValue"]:
            # Both versions take the register where no measurand is named.
            if sample.get("measurand", REGISTER) == REGISTER and "phase" not in sample:
                unit = sample.get("unit") or sample.get("unitOfMeasure", {}).get("unit", "Wh")
                power = sample.get("unitOfMeasure", {}).get("multiplier", 0)
                yield (
                    meter_value["timestamp"],
                    float(sample["value"]) * 10.0**power * (1000.0 if unit == "kWh" else 1.0),
                )
