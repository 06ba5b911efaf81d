"""The commands of an OpenEVSE board that this driver needs, one method each: answers checked and read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from hal.drivers import openevse_rapi as rapi
from hal.drivers.openevse_link import RapiLink
from hal.drivers.openevse_state import Target
from hal.errors import DeviceError

ACKNOWLEDGE = 165  # 0xA5: the board wants this number


class Commands:
    """All raise BusError when the board cannot be reached, DeviceError when it refuses or answers nonsense."""

    def __init__(self, link: RapiLink) -> None:
        self._link = link

    async def _ask(
        self, command: str, *, urgent: bool = False, taken: Callable[[rapi.Reply], None] | None = None
    ) -> rapi.Reply:
        """Ask; a refusal is an error."""
        reply = await (
            self._link.ask(command, urgent=urgent) if taken is None else self._link.ask(command, taken=taken)
        )
        if reply is None or not reply.ok:
            raise DeviceError(f"OpenEVSE refuses {command!r}; its firmware may lack it (8.2 and later are tested)")
        return reply

    async def _supports(self, command: str) -> bool:
        """Ask for what a firmware may lack; whether the board obeyed."""
        reply = await self._link.ask(command)
        return reply is not None and reply.ok

    async def version(self) -> str:
        """Firmware and protocol, "8.2.3 5.2.1"."""
        return " ".join((await self._ask("GV")).fields)

    async def identity(self) -> str:
        """Serial number of its processor; "" if it does not tell."""
        reply = await self._link.ask("GI")
        return "".join(reply.fields) if reply is not None and reply.ok else ""

    async def status(self, saw: Callable[[rapi.Status], None]) -> None:
        """Ask for the state. `saw` gets it in order with the states that the board tells by itself."""

        def taken(reply: rapi.Reply) -> None:
            if reply.ok:
                with contextlib.suppress(DeviceError):  # raised below, where somebody waits for it
                    saw(rapi.status_of(reply))

        rapi.status_of(await self._ask("GS", taken=taken))

    async def capacity(self) -> rapi.Capacity:
        return rapi.capacity_of(await self._ask("GC"))

    async def settings(self) -> tuple[int, int]:
        """Offered current in A, flags of the settings."""
        return rapi.settings_of(await self._ask("GE"))

    async def fault_counts(self) -> tuple[int, int, int]:
        """GFI, ground, stuck relay; 255 at most."""
        return rapi.faults_of(await self._ask("GF"))

    # --- levers -------------------------------------------------------------------------------------------------------

    async def offer(self, amps: int) -> int:
        """Offer a current without writing it to the EEPROM (`V`); returns what the board offers now, which may be less."""
        reply = await self._link.ask(f"SC {amps} V", urgent=True)
        if reply is None or not reply.fields or not reply.fields[0].isdecimal():
            raise DeviceError(f"OpenEVSE refuses to offer {amps} A")
        return int(reply.fields[0])

    async def switch(self, target: Target, wanted: Callable[[], bool]) -> None:
        """Enable (only while `wanted` says so), or at once put to sleep or disable."""
        if target is Target.ENABLED:
            reply = await self._link.ask(target.value, wanted=wanted)
            if reply is not None and not reply.ok:
                raise DeviceError("OpenEVSE refuses to be enabled")
        else:
            await self._ask(target.value, urgent=True)

    # --- supervision of the host --------------------------------------------------------------------------------------

    async def arm(self, interval_s: int, fallback_a: int) -> None:
        """Let the board fall to `fallback_a` when no pulse comes for `interval_s` (0: never), and read it back.

        It stays in the EEPROM, which the board writes only if something changes. A missed pulse is forgotten by this too;
        unlike the acknowledgement that leaves the current alone, which would rise to the configured maximum.
        """
        reply = await self._link.ask(f"SY {interval_s} {fallback_a}")
        if reply is None or not reply.ok:
            raise DeviceError(
                "OpenEVSE refuses to supervise its host (SY); update its firmware to 8.2 or later, or set board.heartbeat_s "
                "to 0 and accept that nothing happens when this program dies"
            )
        found = rapi.heartbeat_of(await self._ask("GY"))
        if (found.interval_s, found.fallback_a) != (interval_s, fallback_a):
            raise DeviceError(
                f"OpenEVSE was told to supervise its host every {interval_s} s with {fallback_a} A, and reads back "
                f"{found.interval_s} s with {found.fallback_a} A"
            )

    async def supervision(self) -> rapi.Heartbeat | None:
        """What is armed; None when the firmware has no supervision."""
        reply = await self._link.ask("GY")
        return rapi.heartbeat_of(reply) if reply is not None and reply.ok else None

    async def pulse(self, interval_s: int, fallback_a: int) -> bool:
        """We live. False: the board has missed a pulse and reduced its current, or what is armed is not this any more."""
        reply = await self._link.ask("SY")
        if reply is None or not reply.ok:
            return False
        found = rapi.heartbeat_of(reply)
        return (found.interval_s, found.fallback_a) == (interval_s, fallback_a)

    async def acknowledge(self) -> None:
        """Admit the missed pulse. The board then offers its configured maximum: offer the right current right after."""
        await self._ask(f"SY {ACKNOWLEDGE}")

    # --- readings -----------------------------------------------------------------------------------------------------

    async def flow(self) -> tuple[float | None, float]:
        """Current in A (None: no ammeter), voltage in V."""
        return rapi.flow_of(await self._ask("GG"))

    async def energy(self) -> tuple[int, int]:
        """Ws of the session, Wh of all that ended."""
        return rapi.energy_of(await self._ask("GU"))

    async def hottest(self) -> float | None:
        """Degrees Celsius; None without a sensor."""
        reply = await self._link.ask("GP")
        return rapi.hottest_of(reply) if reply is not None and reply.ok else None

    # --- what a board may have or not ---------------------------------------------------------------------------------

    async def set_voltage(self, volts: float) -> bool:
        """For its count of energy, until it restarts. False: it has a voltmeter, or counts no energy."""
        return await self._supports(f"SV {round(volts * 1000)}")

    async def clear_boot_lock(self) -> bool:
        reply = await self._link.ask("SB")
        return reply is not None and reply.ok and reply.fields[:1] == ("0",)

    async def clear_auth_lock(self) -> bool:
        return await self._supports("S4 0")

    async def free_button(self) -> bool:
        """From now on (EEPROM) the front button only tells us."""
        return await self._supports("FF B 0")

    async def take_lock(self) -> bool:
        """The bolt obeys us until the board restarts."""
        return await self._supports("S5 M")

    async def move_lock(self, locked: bool) -> bool:
        """Returns whether it is locked then."""
        await self._ask(f"S5 {int(locked)}")
        return await self.is_locked()

    async def is_locked(self) -> bool:
        fields = (await self._ask("G5")).fields
        if fields[:1] not in {("0",), ("1",)}:
            raise DeviceError(f"OpenEVSE answers nonsense about its lock: {' '.join(fields)!r}")
        return fields[0] == "1"
