"""A rig that watches what the pilot and the contactor do: every level with its moment, and whether power was ever cut under load."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hal.api import Fault, FaultCode, PilotChanged, PilotSignal, PilotState
from station.core.charging.profiles import Purpose
from station.core.effects import Effect, Output
from station.core.events import Event, RemoteStop, Reset, SaveFailed, TokenReported, Unlock
from station.core.types import AuthStatus, EvseInfo, IdToken, ResetKind, TokenInfo
from tests.core.rig import Rig
from tests.core.smart_rig import clear, install, limited

CARD = IdToken("04A1B2C3")


class Mark(NamedTuple):
    """A moment, and how many levels had been told by then."""

    mono: float
    levels: int


class Bench(Rig):
    """under_load: EVSEs whose contactor was made to open while the vehicle still drew."""

    def __init__(
        self, evses: int = 1, overrides: dict[str, str] | None = None, info: Callable[[int], EvseInfo] = EvseInfo
    ) -> None:
        self.levels: list[tuple[float, Output]] = []
        self.vehicle: dict[int, PilotState] = {}
        self.under_load: list[int] = []
        super().__init__(evses, overrides, info=info)

    def send(self, event: Event) -> None:
        if isinstance(event, PilotChanged):
            self.vehicle[event.evse] = event.state
        super().send(event)

    def _take(self, effects: list[Effect]) -> None:
        self.levels.extend((self.mono, effect) for effect in effects if isinstance(effect, Output))
        super()._take(effects)

    def _obey(self, output: Output) -> list[Event]:
        draws = self.vehicle.get(output.evse) in (PilotState.C, PilotState.D) and self.closed[output.evse]
        if draws and not output.permit:
            self.under_load.append(output.evse)
        return super()._obey(output)

    # --- what people and the CSMS do --------------------------------------------------------------------------------------

    def limit(self, amps: float) -> None:
        assert install(self, limited(1, Purpose.TX_DEFAULT, (0, amps))).status == "Accepted"

    def no_limit(self) -> None:
        clear(self)

    def fault(self, code: FaultCode, *, evse: int = 1) -> None:
        self.send(Fault(evse, code, True, "test"))

    def cleared(self, code: FaultCode, *, evse: int = 1) -> None:
        self.send(Fault(evse, code, False))

    # --- looks ------------------------------------------------------------------------------------------------------------

    def mark(self) -> Mark:
        return Mark(self.mono, len(self.levels))

    def since(self, mark: Mark, evse: int = 1) -> list[tuple[float, str]]:
        """How the signal on the pilot has changed since then: (seconds after it, signal)."""
        mine = [(at, output.pilot.value, n) for n, (at, output) in enumerate(self.levels) if output.evse == evse]
        signal = next((signal for _, signal, n in reversed(mine) if n < mark.levels), "")
        told = []
        for at, after, n in mine:
            if n >= mark.levels and after != signal:
                signal = after
                told.append((round(at - mark.mono, 3), after))
        return told

    def faults(self, evse: int = 1) -> set[FaultCode]:
        return set(self.station.view(self.now()).evse(evse).faults)

    @property
    def offering(self) -> bool:
        return self.output().pilot is PilotSignal.PWM


def _one_phase(bench: Bench) -> None:
    profile = limited(1, Purpose.TX_DEFAULT, (0, 16.0), phases=1)
    assert install(bench, profile).status == "Accepted"


def _of(bench: Bench) -> str:
    return bench.facts[-1].tx_id


STOPS: dict[str, Callable[[Bench], object]] = {
    "card": lambda bench: bench.swipe(),
    "remote stop": lambda bench: bench.command(lambda ref: RemoteStop(ref, _of(bench))),
    "limit 0": lambda bench: bench.limit(0.0),
    "phase switch": _one_phase,
    "reset": lambda bench: bench.command(lambda ref: Reset(ref, ResetKind.IMMEDIATE)),
    "soft reset": lambda bench: bench.command(lambda ref: Reset(ref, ResetKind.SOFT)),
    "reset of the EVSE": lambda bench: bench.command(lambda ref: Reset(ref, ResetKind.IMMEDIATE, 1)),
    "unlock": lambda bench: bench.later(lambda ref: Unlock(ref, 1, stops_transaction=True)),
    "deauthorised": lambda bench: bench.send(TokenReported(_of(bench), CARD, TokenInfo(AuthStatus.INVALID))),
    "nothing can be saved": lambda bench: bench.send(SaveFailed("disk full")),
}
"""Whatever is wanted and not urgent."""
