"""Faults that stand until a person resets them, also through a restart: one row of each is kept.

Which ones latch by themselves says `station.core.faults` (Recovery.PERSON); a failed self-test of the RCD latches by `latch`. What the
hardware tells meanwhile is remembered: a fault can only be reset after what it tells is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hal.api import FaultCode
from station.core.effects import Refused
from station.core.faults import POLICY, Recovery
from station.core.state import EvseState, StationState, Turn

KIND = "latch"

Holder = EvseState | StationState
"""Who has faults: an EVSE, or the station as a whole."""


def latch(turn: Turn, holder: Holder, code: FaultCode, info: str) -> None:
    """From now on the end of this fault changes nothing. Whoever calls sets the fault too (`hardware.set_fault`)."""
    if holder.latched.get(code) != info:
        holder.latched[code] = info
        turn.save(KIND, _key(holder, code), {"info": info, "wall": turn.now.wall})


def is_latched(holder: Holder, code: FaultCode) -> bool:
    return code in holder.latched


def unlatch(turn: Turn, holder: Holder, code: FaultCode) -> None:
    """A person has reset it, or what proves the contrary has happened. The fault is ended by whoever calls."""
    if holder.latched.pop(code, None) is not None:
        turn.save(KIND, _key(holder, code), None)


def noticed(turn: Turn, holder: Holder, code: FaultCode, *, active: bool, info: str) -> bool:
    """The hardware tells that a fault begins or ends. False: that changes nothing, it stands until somebody resets it."""
    if active:
        holder.reported |= {code}
        if POLICY[code].recovery is Recovery.PERSON:
            latch(turn, holder, code, info)
        return True
    holder.reported -= {code}
    return code not in holder.latched


def restore(turn: Turn, rows: Mapping[str, Any]) -> None:
    """Faults that were latched before the restart stand again."""
    for key, row in rows.items():
        number, _, name = key.partition("/")
        try:
            code, info = FaultCode(name), str(row["info"])
            holder: Holder = turn.state if number == "0" else turn.state.evses[int(number)]
        except (KeyError, TypeError, ValueError) as error:
            turn.emit(Refused(None, f"a saved fault cannot be read: {key}: {error!r}"))
            continue
        holder.latched[code] = holder.faults[code] = info


def _key(holder: Holder, code: FaultCode) -> str:
    return f"{holder.number if isinstance(holder, EvseState) else 0}/{code.value}"
