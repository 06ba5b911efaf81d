"""The seam between the command table and everything that reaches it from outside: REST, JSON lines, `station ctl`, scenarios.

`Control` is what a transport sees. A transport reads bytes, calls `do`, writes the answer; it knows no command by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

__all__ = ["ON_REQUEST", "TOPICS", "WIRE", "WIRE_CARDS", "Control", "Json", "Listener"]

Json = dict[str, Any]
Listener = Callable[[Json], None]

WIRE, WIRE_CARDS = "wire", "wire_cards"

TOPICS = {
    "state": "the station's whole state, when it changed; at most ten a second",
    "frame": "one OCPP frame, either direction, secrets masked",
    "fact": "a transaction, security, log or firmware event was recorded",
    "refused": "a driver's attempt was refused, and why",
    "command": "a command was carried out, by whomever",
    WIRE: "what passes on the serial lines of the drivers, decoded, numbers of cards hidden; told only to who names it",
    WIRE_CARDS: "the same with the numbers of cards, which are personal data; told only to who names it",
}
"""What can be subscribed to. An event is a JSON object with `event` (the topic) and the topic's own fields."""

ON_REQUEST = frozenset({WIRE, WIRE_CARDS})
"""Topics that nobody gets who has not named them."""


class Control(Protocol):
    """Everything that can be done to one station. Lives in the station's loop and is used only there."""

    async def do(self, name: str, arguments: Mapping[str, object]) -> Json:
        """Carry out one command of the table. Raises ControlError, and then nothing has changed."""

    def describe(self) -> list[Json]:
        """The table: per command name, doc, group, reads, needs_bench, passes_time, parameters and returns (JSON Schemas)."""

    def subscribe(self, topics: frozenset[str], listener: Listener) -> Callable[[], None]:
        """Hear events of these topics from now on; the returned function ends that. Raises ControlError for an unknown topic."""
