"""State machines are tables for `transitions`: one shared Machine per kind, slotted models, synchronous callbacks.

A Machine costs milliseconds and tens of KiB to build and nothing to share, so a module builds one and every model is driven by
`fire`. Callbacks never trigger events themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from transitions import Machine

Row = dict[str, object]


class Model(Protocol):
    """What a state machine drives: an object that remembers its state's name."""

    state: str


def table(states: Sequence[str], rows: Sequence[Row], initial: str) -> Machine:
    """A Machine over `states` without automatic `to_X` events; an event that a state has no row for raises MachineError."""
    return Machine(model=None, states=list(states), transitions=list(rows), initial=initial, auto_transitions=False)


def fire(machine: Machine, event: str, model: Model) -> bool:
    """Let `event` happen to `model`. False when every condition of its rows said no. Raises MachineError for a forbidden event."""
    return bool(machine.events[event].trigger(model))


def rows(event: str, sources: Sequence[str], dest: str | None, *, conditions: str | None = None) -> Row:
    """One line of a table. `dest` None: the event is allowed and changes nothing."""
    row: Row = {"trigger": event, "source": list(sources), "dest": dest}
    if conditions is not None:
        row["conditions"] = conditions
    return row
