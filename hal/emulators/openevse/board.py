"""The firmware of an emulated OpenEVSE board, with a vehicle at its cable: states, timers, faults. No RAPI here."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

FIRMWARE = "8.2.3"
STEP_S = 0.025
NEVER = math.inf

DEBOUNCE_A_S, DEBOUNCE_S = 0.025, 0.25
SLEEP_OPENS_S = 3.0
GFI_RETRY_S, GFI_RETRIES = 300.0, 6
OVER_CURRENT_A, OVER_CURRENT_S = 5.0, 10.0  # EU build
THROTTLE_C, RESTORE_C, PANIC_C = 52.0, 49.0, 71.0
LEAST_A = 6
COOKIE = 165

CARS = ("none", "plugged", "asks", "ventilation", "no_diode")
FAULTS = {
    "gfi": 0x06, "ground": 0x07, "stuck_relay": 0x08, "gfi_test": 0x09, "reserved": 0x0C, "relay_closure": 0x0E,
    "pp_shorted": 0x0F, "pp_missing": 0x10, "eeprom": 0x11,
}  # fmt: skip
LATCHED = {0x04, 0x05, 0x0A, 0x0B}  # hard faults: until the vehicle is unplugged
CHANGE_FLAGS = 0x0002 | 0x0008 | 0x0100  # of the flags, those whose change is told


@dataclass(slots=True)
class Vehicle:
    """What is at the cable. Its switch S2 closes `reacts_s` after PWM came and opens as late, unless `stubborn`."""

    kind: str = "none"
    draw_a: float = 16.0
    obeys: bool = True  # draws no more than it is offered
    stubborn: bool = False
    reacts_s: float = 0.1
    s2: bool = False
    seen_pwm: bool = False
    since: float = 0.0

    def step(self, now: float, pwm: bool) -> None:
        if pwm is not self.seen_pwm:
            self.seen_pwm, self.since = pwm, now
        wants = self.kind in {"asks", "ventilation"}
        if not wants:
            self.s2 = False
        elif now - self.since >= self.reacts_s:
            self.s2 = pwm or self.stubborn

    @property
    def letter(self) -> int:
        """1 to 4: A to D; 5: a diode is missing (seen while PWM is on)."""
        if self.kind == "none":
            return 1
        if self.kind == "no_diode" and self.seen_pwm:
            return 5
        return {"asks": 3, "ventilation": 4}.get(self.kind, 2) if self.s2 else 2


@dataclass(slots=True)
class Eeprom:
    """What outlives a loss of supply."""

    configured_a: int = 32
    flags: int = 0x0001
    interval_s: int = 0
    fallback_a: int = 0
    total_wh: int = 0
    counts: list[int] = field(default_factory=lambda: [0, 0, 0])
    writes: int = 0


class Firmware:
    """Lives by `advance`. `said` collects what it tells unasked, without checksums."""

    def __init__(self, eeprom: Eeprom, hardware_a: int, boot_s: float, *, has_lock: bool) -> None:
        self.eeprom = eeprom
        self.hardware_a = hardware_a
        self.boot_s = boot_s
        self.has_lock = has_lock
        self.vehicle = Vehicle()
        self.fault = 0
        self.celsius = 25.0
        self.pulses = 0
        self.said: list[str] = []
        self._ahead_s = 0.0
        self._now: float | None = None
        self._boot_at = NEVER
        self._start()

    def _start(self) -> None:
        """As after a reset."""
        self.state, self.pilot, self.mode = 0, 0, "P12"
        self.relay = self.hard = self.connected = False
        self.amps = min(self.eeprom.configured_a, self.hardware_a)
        self.millivolts = 240_000
        self.session_ws, self.charged_s = 0.0, 0.0
        self.missed, self.pulsed_at = 0, self.time
        self.lock_manual = self.locked = False
        self._pending = self._pending_pilot = (0, 0.0)
        self._off_at = self._fault_at = 0.0
        self._retries = 0
        self._over_since = NEVER
        self._hot = False
        self._told: tuple[int, int, int, int] | None = None

    @property
    def running(self) -> bool:
        """Its self-test is over."""
        return self._boot_at == NEVER

    def supply(self, on: bool, now: float) -> None:
        """Its supply goes or comes."""
        self.advance(now)
        self._start()
        self._boot_at = self.time + self.boot_s if on else NEVER
        self.said.clear()

    def restart(self) -> None:
        """A reset, by watchdog or command."""
        self._start()
        self._boot_at = self.time + self.boot_s

    def skip(self, seconds: float, now: float) -> None:
        """Let time pass at once."""
        self._ahead_s += seconds
        self.advance(now)

    @property
    def time(self) -> float:
        return self._now or 0.0

    def due(self, now: float) -> float | None:
        """The next step while something moves, else the next deadline."""
        if not self.running:
            return self._boot_at - self._ahead_s
        if self._moving():
            return now + STEP_S
        deadlines = [NEVER]
        if self._supervising():
            deadlines.append(self.pulsed_at + self.eeprom.interval_s)
        if self.state == 0x06:
            deadlines.append(self._fault_at + GFI_RETRY_S)
        if self._over_since != NEVER:
            deadlines.append(self._over_since + OVER_CURRENT_S)
        when = min(deadlines) + STEP_S - self._ahead_s
        return None if when == NEVER else when

    def flags(self) -> int:
        return (
            0x0200 * (not self.connected)
            | 0x0002 * self.hard
            | 0x0040 * self.relay
            | 0x0100 * self.connected
            | 0x8000 * self.lock_manual
        )

    def tell_state(self) -> None:
        """`$AT` when something of interest has changed and the state is not between two."""
        now = (self.state, self.pilot, self.amps, self.flags() & CHANGE_FLAGS)
        between = self.state == 0 or (self.state in {1, 2, 3} and (self.state != 1) is not self.connected)
        if now != self._told and not between:
            self._told = now
            self.said.append(f"$AT {self.state:02x} {self.pilot:02x} {self.amps} {self.flags():04x}")

    def press(self, how: str) -> None:
        """Its front button, "short" or "long": asleep or awake, unless it only tells."""
        if self.eeprom.flags & 0x8000:
            self.said.append(f"$AN {int(how == 'long')}")
        elif how == "short" and self.state in {0xFE, 0xFF}:
            self.enable()
        elif how == "short":
            self.sleep()

    # --- levers ---

    def set_current(self, amps: int, *, keep: bool) -> tuple[bool, str]:
        most = self.hardware_a if keep else min(self.eeprom.configured_a, self.hardware_a)
        if self._hot and amps > self.amps:
            return False, str(self.amps)
        self.amps = min(max(amps, LEAST_A), most)
        if keep:
            self.eeprom.configured_a = self.amps
            self.eeprom.writes += 1
        return self.amps == amps, str(self.amps)

    def supervision(self, numbers: list[int]) -> bool:
        eeprom = self.eeprom
        if not numbers:
            self.pulses += 1
            self.pulsed_at = self.time
            return self.missed != 2
        if len(numbers) == 1:
            if numbers[0] != COOKIE:
                return False
            if self.missed == 2:
                self.amps, self.missed = eeprom.configured_a, 1
            return True
        if (eeprom.interval_s, eeprom.fallback_a) != (numbers[0], numbers[1]):
            eeprom.interval_s, eeprom.fallback_a = numbers
            eeprom.writes += 1
        self.missed, self.pulsed_at = 0, self.time
        return True

    def lock(self, word: str, rest: list[str]) -> tuple[bool, str]:
        if word == "S5":
            if rest[0] in {"A", "M"}:
                self.lock_manual = rest[0] == "M"
            elif rest[0] in {"0", "1"} and self.lock_manual:
                self.locked = rest[0] == "1"
            return True, ""
        return True, f"{int(self.locked)} {'M' if self.lock_manual else 'A'}"

    def enable(self) -> None:
        if self.state in {0xFE, 0xFF}:
            self.state, self.mode = 0, "P12"

    def sleep(self) -> None:
        if self.state != 0xFE:
            self.state, self.mode, self._off_at = 0xFE, "P12", self.time

    def disable(self) -> None:
        self.state, self.mode, self.relay = 0xFF, "N12", False

    # --- the main loop --------------------------------------------------------------------------------------------------

    def current_a(self) -> float:
        vehicle = self.vehicle
        if not (self.relay and vehicle.s2):
            return 0.0
        return min(vehicle.draw_a, self.amps) if vehicle.obeys else vehicle.draw_a

    def _supervising(self) -> bool:
        return self.eeprom.interval_s > 0 and self.state not in {0xFE, 0xFF} and not self.hard

    def _moving(self) -> bool:
        steady = self.state == self._reading() or self.state >= 4
        vehicle = self.vehicle
        vehicle_waits = vehicle.s2 is not (
            vehicle.kind in {"asks", "ventilation"} and (vehicle.seen_pwm or vehicle.stubborn)
        )
        return (
            not steady
            or vehicle_waits
            or self.vehicle.seen_pwm is not (self.mode == "PWM")
            or (self.relay and self.state != 3)
            or self._too_much() is not (self._over_since != NEVER)
            or self._fault_turns()
            or (self.vehicle.kind != "none") is not self.connected
        )

    def _wanted_fault(self) -> int:
        return self.fault or (0x0A if self.celsius >= PANIC_C else 0)

    def _fault_turns(self) -> bool:
        """A fault is about to begin or to end, or heat to change the current."""
        if self.state >= 0xFE or self.hard:
            return self.hard and not self.connected
        cools = self._hot and self.celsius <= RESTORE_C
        heats = not self._hot and self.state == 3 and self.celsius >= THROTTLE_C
        return self._wanted_fault() != (self.state if self.state >= 4 else 0) or cools or heats

    def advance(self, now: float) -> None:
        """Live until `now`."""
        target = now + self._ahead_s
        if self._now is None:
            self._now = target
        if self._boot_at <= target:
            self._now, self._boot_at = self._boot_at, NEVER
            self._start()
            self.said.append(f"$AB 00 {FIRMWARE}")
        while self.time + STEP_S <= target and self._boot_at == NEVER:
            # What is steady may leap, but not past the firmware's own deadlines.
            leap = STEP_S if self._moving() else min(target - self.time, 1.0)
            self._now = self.time + leap
            self._count(leap)
            self._update()
            self.tell_state()

    def _count(self, seconds: float) -> None:
        self.session_ws += self.current_a() * self.millivolts / 1000 * seconds
        if self.relay:
            self.charged_s += seconds

    def _update(self) -> None:
        self.vehicle.step(self.time, self.mode == "PWM")
        if self.state == 0xFF:
            return  # under -12 V it sees nothing
        self._watch_plug()
        if self.state == 0xFE:
            open_now = self.vehicle.letter < 3 or self.time - self._off_at >= SLEEP_OPENS_S
            if self.relay and (self.current_a() <= 1.0 or open_now):
                self.relay = False
            return
        if self._in_fault():
            return
        self._follow_pilot()
        self._watch_current()
        self._watch_heat()
        if self._supervising() and self.time - self.pulsed_at > self.eeprom.interval_s:
            if self.eeprom.fallback_a < self.amps:
                self.amps = max(self.eeprom.fallback_a, LEAST_A)
            self.missed, self.pulsed_at = 2, self.time

    def _watch_plug(self) -> None:
        connected = self.vehicle.letter != 1
        if connected and not self.connected:
            self.session_ws = self.charged_s = 0.0
        elif self.connected and not connected and self.session_ws:
            self.eeprom.total_wh += int(self.session_ws) // 3600
        self.connected = connected
        if self.has_lock and not self.lock_manual:
            self.locked = connected

    def _enter_fault(self, state: int) -> None:
        self.state, self.mode, self.relay, self._fault_at = state, "P12", False, self.time
        self.hard = state in LATCHED
        if state in {6, 7, 8}:
            self.eeprom.counts[state - 6] = min(self.eeprom.counts[state - 6] + 1, 0xFF)

    def _in_fault(self) -> bool:
        if self.hard:
            if not self.connected and self.celsius < PANIC_C:
                self.state, self.hard = 0, False
            return True
        wanted = self._wanted_fault()
        if self.state == 0x06 and self.fault == 0x06:
            if not self.connected:
                self.fault = 0
            elif self.time - self._fault_at >= GFI_RETRY_S:
                self._retries += 1
                self.fault, self.hard = 0, self._retries > GFI_RETRIES
        elif wanted and self.state != wanted:
            self._enter_fault(wanted)
        elif not wanted and 4 <= self.state < 0xFE:
            self.state, self.mode = 0, "P12"
        return bool(self.fault) or self.hard or 4 <= self.state < 0xFE

    def _reading(self) -> int:
        """The state that the pilot voltage asks for."""
        letter = self.vehicle.letter
        if letter == 3 and self.mode != "PWM":
            return 2  # without PWM there is no charging
        if letter == 4 and self.eeprom.flags & 0x0004:
            return 3
        return letter

    def _follow_pilot(self) -> None:
        wanted, pilot = self._reading(), self.vehicle.letter
        if wanted == self.state or wanted != self._pending[0]:
            self._pending = (wanted, self.time)
        elif self.time - self._pending[1] >= (DEBOUNCE_A_S if wanted == 1 else DEBOUNCE_S) - 1e-9:
            self._enter(wanted)
            self.pilot = pilot
        if pilot != self._pending_pilot[0]:
            self._pending_pilot = (pilot, self.time)
        elif self.time - self._pending_pilot[1] >= DEBOUNCE_S - 1e-9:
            self.pilot = pilot

    def _enter(self, state: int) -> None:
        if state >= 4:
            self._enter_fault(state)
        else:
            self.state = state
            self.mode = "P12" if state == 1 else "PWM"
            self.relay = state == 3

    def _too_much(self) -> bool:
        return self.state == 3 and self.current_a() >= self.amps + OVER_CURRENT_A

    def _watch_current(self) -> None:
        if not self._too_much():
            self._over_since = NEVER
        elif self._over_since == NEVER:
            self._over_since = self.time
        elif self.time - self._over_since >= OVER_CURRENT_S:
            self._over_since = NEVER
            self._enter_fault(0x0B)

    def _watch_heat(self) -> None:
        """Hot: half the configured current. Cool again: all of it, whatever the host had said."""
        if self._hot and self.celsius <= RESTORE_C:
            self._hot, self.amps = False, self.eeprom.configured_a
        elif not self._hot and self.state == 3 and self.celsius >= THROTTLE_C:
            self._hot = True
            self.amps = max(LEAST_A, self.eeprom.configured_a // 2)
