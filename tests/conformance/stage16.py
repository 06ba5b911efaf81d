"""A stage for OCPP 1.6 conformance: the whole station on the bench, what its CSMS hears, and what people do.

`Stage` reads the conversation like a story: `expect` looks for the next CALL from where the last one was found, so that a
test that names three messages also proves their order. Time is virtual.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hal.sim.car import Car
from station.sim.csms import EmbeddedCsms, Refusal, SeenStation, Token
from station.sim.lab import Lab, LabSettings, run_lab

NAME = "PILOT-1"
CARD = "04A1B2C3"
FRIEND = "0BADCAFE"
"""Of the same group as CARD."""
OTHER = "DEADBEEF"
"""Accepted, of no group."""
STRANGER = "00FF00FF"
"""Unknown to the CSMS, which calls it Invalid."""
GROUP = "FAMILY"

TOKENS = (Token(CARD, group=GROUP), Token(FRIEND, group=GROUP), Token(OTHER), Token("0B10C4ED", "Blocked"))
FIXED_CABLE: Mapping[str, object] = {"report_soc": True, "fixed_cable": True}

Case = Callable[["Stage"], Awaitable[None]]


class Stage:
    """One station that speaks 1.6 and its embedded CSMS. `mark`: how far the conversation has been read."""

    def __init__(self, lab: Lab) -> None:
        assert lab.csms is not None
        self.lab = lab
        self.csms: EmbeddedCsms = lab.csms
        self.mark = 0

    @property
    def seen(self) -> SeenStation:
        return self.csms.station(NAME)

    # --- what the CSMS hears ----------------------------------------------------------------------------------------

    async def expect(self, action: str, *, within: float = 30.0, **members: Any) -> dict[str, Any]:
        """The next CALL of this action whose payload has these members; what came before it counts as read.

        Raises TimeoutError, naming what came instead, after `within` seconds.
        """

        def fits(payload: dict[str, Any]) -> bool:
            return all(payload.get(name) == value for name, value in members.items())

        journal = self.csms.journal
        await journal.wait_for(NAME, action, fits, within, self.mark)
        frame = next(f for f in journal.calls(NAME, action, since=self.mark) if fits(f.payload))
        self.mark = frame.number + 1
        found: dict[str, Any] = frame.payload
        return found

    async def expect_status(
        self, status: str, connector: int = 1, *, within: float = 30.0, **members: Any
    ) -> dict[str, Any]:
        return await self.expect("StatusNotification", within=within, connectorId=connector, status=status, **members)

    async def quiet(self, seconds: float, *actions: str) -> None:
        """So many seconds pass without any of these messages."""
        await asyncio.sleep(seconds)
        came = [f.text for f in self.csms.journal.calls(NAME, since=self.mark) if f.action in actions]
        assert came == []

    def skip(self) -> None:
        """What came so far is of no interest."""
        self.mark = self.csms.mark()

    def heard(self, action: str, *, since: int = 0, **members: Any) -> list[dict[str, Any]]:
        return [
            f.payload
            for f in self.csms.journal.calls(NAME, action, since=since)
            if all(f.payload.get(name) == value for name, value in members.items())
        ]

    def words(self, connector: int = 1, *, since: int = 0) -> list[str]:
        """Actions that concern a connector, in order; a StatusNotification by its status."""
        return [
            f.payload["status"] if f.action == "StatusNotification" else str(f.action)
            for f in self.csms.journal.calls(NAME, since=since)
            if f.payload.get("connectorId", connector) == connector
        ]

    # --- what the CSMS does -----------------------------------------------------------------------------------------

    async def call(self, action: str, **payload: Any) -> dict[str, Any]:
        """The answer to a CALL, which must be one and come in time (2 s)."""
        answer = await self.csms.call(NAME, action, payload, timeout=2.0)
        assert not isinstance(answer, Refusal), answer
        return answer

    async def order(self, action: str, status: str, **payload: Any) -> None:
        assert await self.call(action, **payload) == {"status": status}

    async def configure(self, **keys: str) -> None:
        for key, value in keys.items():
            await self.order("ChangeConfiguration", "Accepted", key=key, value=value)

    async def ready(self, *connectors: int) -> None:
        """Booted and told every state (of connectors 0, 1 and 2 unless given)."""
        await self.expect("BootNotification", within=120.0)
        for connector in connectors or (0, 1, 2):
            await self.expect("StatusNotification", connectorId=connector)

    # --- what people do ---------------------------------------------------------------------------------------------

    async def charging(self, token: str = CARD, *, evse: int = 1, **car: object) -> Car:
        """A car is plugged in, a card presented, energy flows; `transaction` is the id that the CSMS gave."""
        vehicle = self.lab.plug(evse, car)
        self.lab.swipe(token, evse)
        await self.expect("StartTransaction", connectorId=evse, idTag=token)
        await self.expect_status("Charging", evse)
        return vehicle

    async def leave(self, evse: int = 1) -> None:
        """The driver takes the plug, as soon as the lock has let it go."""
        await asyncio.sleep(2)
        self.lab.unplug(evse)

    @property
    def transaction(self) -> int:
        """transactionId of the newest transaction."""
        return max(map(int, self.seen.transactions))

    def energised(self) -> bool:
        """Power flows at EVSE 1."""
        return self.lab.view().evse(1).relay_closed


def play(
    case: Case,
    *,
    complaints: bool = False,
    boot: str | list[str] = "Accepted",
    start_wall: float | None = None,
    **settings: Any,
) -> None:
    """Run a case. Nothing that the station says may be refused; complaints: the case itself makes the CSMS refuse.

    start_wall: what time it is at first, wall seconds.
    """

    async def main(lab: Lab) -> None:
        stage = Stage(lab)
        stage.csms.policy.plan_boots(boot)
        await case(stage)
        if not complaints:
            assert stage.seen.complaints == []
            assert [frame.text for frame in stage.csms.journal.errors(NAME)] == []

    run_lab(LabSettings(versions=("1.6",), tokens=TOKENS, **settings), main, start_wall=start_wall)


def octt(**settings: Any) -> Callable[[Case], Callable[[], None]]:
    """A test from a case: `@octt()` above `async def test_tc_001_...(s: Stage)`. `settings`: those of `play`."""

    def decorate(case: Case) -> Callable[[], None]:
        def test() -> None:
            play(case, **settings)

        # Not functools.wraps: pytest would take the case's argument for a fixture.
        for name in ("__name__", "__qualname__", "__doc__", "__module__"):
            setattr(test, name, getattr(case, name))
        return test

    return decorate
