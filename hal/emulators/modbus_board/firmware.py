"""What emulated Modbus EVSE boards do with their registers and their vehicle; written from the makers' lists, not from our tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

_ILLEGAL_ADDRESS, _ILLEGAL_VALUE = 2, 3


class Firmware(ABC):
    """What a board does with its registers and its vehicle. Volatile registers go with the supply, the others stay."""

    faults: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.holding: dict[int, int] = {}
        self.coils: dict[int, int] = {}
        self.keeps: set[int] = set()
        self.car = "none"
        self.draw_a = 16.0
        self.obeys_s = 0.2
        self.fault = "none"
        self.celsius = 30.0
        self.relay = False
        self.energy_ws = 3_600_000.0
        self.session_ws = 0.0
        self._pwm_since: float | None = None
        self._stops_at: float | None = None  # the vehicle opens its switch
        self._now: float | None = None
        self.boot()

    @abstractmethod
    def boot(self) -> None:
        """Power-up: volatile registers as the maker says."""

    @abstractmethod
    def offered_a(self) -> float:
        """What the pilot says; 0: no PWM."""

    @abstractmethod
    def may_close(self) -> bool:
        """Nothing of the board's own keeps the contactor open."""

    @abstractmethod
    def read(self, function: int, address: int) -> int | None:
        """A register or coil; None: there is none."""

    @abstractmethod
    def write(self, address: int, value: int) -> int:
        """A holding register. 0, or the exception."""

    def write_coil(self, address: int, value: int) -> int:
        return _ILLEGAL_ADDRESS if address not in self.coils else self._take(self.coils, address, value)

    def heard(self, now: float) -> None:
        """A request for it has arrived."""
        del now

    def advance(self, now: float) -> None:
        """Up to `now`: the vehicle reacts to the pilot, the contactor to both."""
        if self._now is not None and self.relay:
            ws = min(self.draw_a, self.offered_a() or self.draw_a) * 230.0 * 3 * (now - self._now)
            self.energy_ws += ws
            self.session_ws += ws
        self._now = now
        asks = self.wants(now)
        self.relay = asks and self.may_close() and (self.offered_a() > 0 or self.relay)

    def wants(self, now: float) -> bool:
        """Whether the vehicle's switch S2 is closed: it needs PWM, and opens a while after it has gone."""
        if self.car not in {"asks", "ventilation"}:
            self._stops_at = None
            return False
        if self.offered_a() > 0:
            self._stops_at = now + self.obeys_s
            return True
        return self._stops_at is not None and now < self._stops_at

    def letter(self, now: float) -> str:
        if self.car == "none":
            return "A"
        return ("D" if self.car == "ventilation" else "C") if self.wants(now) else "B"

    def _take(self, store: dict[int, int], address: int, value: int) -> int:
        if address not in self.keeps:
            store[address] = value
        return 0

    def now(self) -> float:
        return self._now or 0.0


class EvseWb(Firmware):
    """EVSE-WB/DIN: holding registers only; 2000 to 2017 are kept."""

    faults = ("failure",)

    def __init__(self, firmware: int = 18, options: int = 0, boot_a: int = 16) -> None:
        self.kept = {
            2000: boot_a,
            2001: 1,
            2002: 6,
            2003: 0,
            2004: 0,
            2005: options,
            2006: 0,
            2007: 0,
            2008: 0,
            2009: 1,
        }
        self.firmware = firmware
        self.cable_a = 32
        super().__init__()

    def boot(self) -> None:
        self.holding = {1000: self.kept[2000] * self._fine(), 1004: 0}
        self.relay = False

    def _fine(self) -> int:
        return 100 if self.kept[2005] & 0x80 and self.firmware >= 17 else 1

    def offered_a(self) -> float:
        amps = self.holding[1000] / self._fine()
        off = self.kept[2005] & 0x4000 or self.fault == "failure" or self.holding[1004] & 1
        return 0.0 if off or amps < self.kept[2002] else min(amps, float(self.cable_a))

    def may_close(self) -> bool:
        return self.fault != "failure" and not self.holding[1004] & 1

    def read(self, function: int, address: int) -> int | None:
        if function != 3:
            return None
        if address == 1001:
            return int(self.offered_a() * self._fine())
        if address == 1002:
            return 5 if self.fault == "failure" else " ABCD".index(self.letter(self.now()))
        if address == 1006:
            return 3 if not self.offered_a() else (1 if self.car == "none" else 2)
        fixed = {1003: self.cable_a, 1005: self.firmware}
        return {**self.holding, **self.kept, **fixed}.get(address)

    def write(self, address: int, value: int) -> int:
        if address in self.holding:
            return self._take(self.holding, address, value)
        return self._take(self.kept, address, value) if address in self.kept else _ILLEGAL_ADDRESS


class Phoenix(Firmware):
    """EV Charge Control Basic: coils and 22000 are volatile, 4000 to 4013 are kept."""

    faults = ("contactor", "diode", "rcm", "lock", "pp")
    _BITS: Mapping[str, int] = {"contactor": 12, "diode": 13, "rcm": 15, "lock": 6, "pp": 3}

    def __init__(self, has_errors: bool = True) -> None:
        self.kept = {4000: 1, 4001: 0, 4002: 0, 4010: 0}
        self.has_errors = has_errors
        self.cable_a = 32
        super().__init__()

    def boot(self) -> None:
        self.coils = {20000: 0, 20001: 0}
        self.holding = {22000: 13}
        self.relay = False

    def offered_a(self) -> float:
        enabled = self.kept[4000] == 0 or (self.kept[4000] == 3 and self.coils[20000])
        return float(self.holding[22000]) if enabled and self.fault == "none" else 0.0

    def may_close(self) -> bool:
        return self.fault == "none" and (self.car != "ventilation" or bool(self.kept[4010]))

    def read(self, function: int, address: int) -> int | None:
        if function == 1:
            return self.coils.get(address)
        if function == 3:
            return {**self.holding, **self.kept}.get(address)
        if address == 24000:
            letter = "F" if self.fault in {"contactor", "rcm"} else self.letter(self.now())
            digit = "0" if letter == "F" else "12"[self.offered_a() > 0]
            return int.from_bytes(f"{letter}{digit}".encode(), "big")
        if address == 24025:
            return (1 << self._BITS[self.fault] if self.fault != "none" else 0) if self.has_errors else None
        amps = int(self.offered_a())
        name = b"EV-CC-AC1-M3-CBC-SER-HS-XP".ljust(32)
        if 1000 <= address < 1016:
            return int.from_bytes(name[2 * (address - 1000) :][:2], "big")
        serial = b"1234567890AB"
        if 1021 <= address < 1027:
            return int.from_bytes(serial[2 * (address - 1021) :][:2], "big")
        fixed = {24001: 0 if self.car == "none" else self.cable_a, 24002: int(amps / 0.6), 24003: amps, 1031: 0x4601}
        return fixed.get(address)

    def write(self, address: int, value: int) -> int:
        if address == 22000:
            return self._take(self.holding, address, value) if 6 <= value <= 63 else _ILLEGAL_VALUE
        return self._take(self.kept, address, value) if address in self.kept else _ILLEGAL_ADDRESS


class Heidelberg(Firmware):
    """Energy Control: 257, 258, 262 are kept; without a request for the ms in 257 it falls to 262; state F lasts ten seconds."""

    faults = ("error", "derating", "locked")
    F_S = 10.0

    def __init__(self) -> None:
        self.kept = {257: 15000, 258: 0, 259: 1, 260: 0, 262: 0}
        self._heard_s: float | None = None
        self._f_until = 0.0
        super().__init__()

    def boot(self) -> None:
        self.holding = {261: 160}
        self.relay = False
        self.session_ws = 0.0

    def heard(self, now: float) -> None:
        self._check(now)
        self._heard_s = now

    def _fallen(self, now: float) -> bool:
        if self._heard_s is None:
            self._heard_s = now
        return bool(self.kept[257]) and now - self._heard_s > self.kept[257] / 1000.0

    def _check(self, now: float) -> None:
        if not self.kept[259] or self.fault == "locked" or (self._fallen(now) and not self.kept[262]):
            self._f_until = now + self.F_S

    def advance(self, now: float) -> None:
        self._check(now)
        super().advance(now)

    def in_f(self) -> bool:
        return self.now() < self._f_until

    def offered_a(self) -> float:
        if self.in_f() or self.fault == "error":
            return 0.0
        amps = (self.kept[262] if self._fallen(self.now()) else self.holding[261]) / 10.0
        return (min(amps, 10.0) if self.fault == "derating" else amps) if amps >= 6.0 else 0.0

    def may_close(self) -> bool:
        return not self.in_f() and self.fault != "error"

    def _state(self) -> int:
        if self.fault == "error":
            return 11
        if self.in_f():
            return 10
        if self.relay and self.fault == "derating":
            return 8
        return 2 + 2 * "ABC".index(self.letter(self.now()).replace("D", "C")) + (self.offered_a() > 0)

    def read(self, function: int, address: int) -> int | None:
        if function == 3:
            return {**self.holding, **self.kept}.get(address)
        if function != 4:
            return None
        amps = min(self.draw_a, self.offered_a()) if self.relay else 0.0
        session, total = int(self.session_ws / 3600), int(self.energy_ws / 3600)
        known = {4: 0x107, 5: self._state(), 9: int(self.celsius * 10) & 0xFFFF, 13: int(self.fault != "locked")}
        known |= {6: int(amps * 10), 7: int(amps * 10), 8: int(amps * 10), 10: 230, 11: 231, 12: 229}
        known |= {14: int(amps * 690), 15: session >> 16, 16: session & 0xFFFF, 17: total >> 16, 18: total & 0xFFFF}
        return {**known, 100: 16, 101: 6, 203: 872}.get(address)

    def write(self, address: int, value: int) -> int:
        if address == 261:
            return self._take(self.holding, address, value) if value == 0 or 60 <= value <= 160 else _ILLEGAL_VALUE
        return self._take(self.kept, address, value) if address in self.kept else _ILLEGAL_ADDRESS
