"""An emulated board of the EVerest-MCU family: its firmware's manners, and its messages. Sans-IO, for `hal.emulators.serve`."""

from __future__ import annotations

from collections.abc import Mapping

from hal.emulators.mcu.connector import CARS, LOCKS, NEVER, PP, RCDS, X1_FROM, Connector
from hal.emulators.mcu.tags import ERRORS, TAGS
from hal.emulators.mcu.wire import Receiver, frame, get, put
from hal.settings import SettingsReader

STEP_S = 0.02
ROUNDING_S = 1e-6
CONFIG_EVERY_S = 0.5
VOLTS = 230.0
NAMES = ("keep_alive", "lock", "pwm", "power", "reset", "phases", "rcd", "config")
Shown = tuple[int, bool, tuple[str, ...], int, int]


class McuEmulator:
    """`hal.emulators.serve.Emulated`. Orders: see `control`."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        reader = SettingsReader("mcu", settings)
        self.board = reader.text("board", "yeti", tuple(TAGS))
        self.tags = TAGS[self.board]
        self.two = self.board == "phyverso"
        self.software = reader.text("software", f"{self.board} 2.2")
        self._caps = (
            reader.number("max_a", 32.0, 0.0, 80.0),
            reader.number("min_a", 6.0, 0.0, 80.0),
            reader.integer("max_phases", 3, 0, 3),
            reader.flag("phase_switching", False),
        )
        self._boot_s = reader.number("boot_s", 0.2, 0.0, 60.0)
        self._quiet_boot = reader.flag("quiet_boot", False)
        self._keeps_total = reader.flag("keeps_total", False)
        self._heartbeat_s = reader.number("heartbeat_s", 4.0 if self.two else 0.0, 0.0, 600.0)
        self.total_wh = reader.number("total_wh", 0.0, 0.0, 1e9)
        reader.finish()
        self.connectors = [Connector() for _ in range(2 if self.two else 1)]
        self.deaf = self.mute = False
        self.resets = self.keep_alives = self.lose = 0
        self.log: list[str] = []
        self.ports: list[dict[str, int]] = []
        self._receiver = Receiver()
        self._out = b""
        self._ahead_s = 0.0
        self._now: float | None = None
        self._start()

    # --- Emulated -----------------------------------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> bytes:
        self._advance(now)
        for byte in data:
            payload = self._receiver.take(byte)
            if payload is not None and not self.deaf and self._running:
                self._obey(payload)
        self._step()
        return self._taken()

    def due(self, now: float) -> float | None:
        if self._out:
            return now
        if not self._running:
            return None if self._boot_at == NEVER else self._boot_at - self._ahead_s + ROUNDING_S
        return self._next() - self._ahead_s + ROUNDING_S

    def tick(self, now: float) -> bytes:
        self._advance(now)
        return self._taken()

    def power(self, on: bool, now: float) -> None:
        self._advance(now)
        self._restart(0, by_power=True)
        if not on:
            self._boot_at = NEVER
        self._out = b""

    def control(self, order: Mapping[str, object], now: float) -> dict[str, object]:
        """look: nothing but the facts. connector: whose the following are (1). car, draw_a, obeys, stubborn: of the vehicle.
        pp: of its cable. fault: an error flag by name, or none. lock: ok, jam, silent. weld: the relay stays closed. rcd: ok, dead,
        selftest (fails), stuck. mute: no keep-alives. deaf: hears nothing. reset: user or watchdog. lose: so many of its
        next messages are lost. total_wh. skip_s: seconds pass at once.
        """
        self._advance(now)
        reader = SettingsReader("mcu", order)
        reader.flag("look", True)
        connector = self.connectors[reader.integer("connector", 1, 1, len(self.connectors)) - 1]
        vehicle = connector.vehicle
        vehicle.kind = reader.text("car", vehicle.kind, CARS)
        vehicle.draw_a = reader.number("draw_a", vehicle.draw_a, 0.0, 200.0)
        vehicle.obeys = reader.flag("obeys", vehicle.obeys)
        vehicle.stubborn = reader.flag("stubborn", vehicle.stubborn)
        connector.ventilated = reader.flag("ventilated", connector.ventilated)
        if "pp" in order:
            connector.pp = PP[reader.text("pp", "none", tuple(PP))]
        if "fault" in order:
            fault = reader.text("fault", "none", ("none", *ERRORS[self.board]))
            connector.forced = set() if fault == "none" else connector.forced | {fault}
        connector.lock = reader.text("lock", connector.lock, LOCKS)
        connector.weld = reader.flag("weld", connector.weld)
        connector.rcd = reader.text("rcd", connector.rcd, RCDS)
        self.mute = reader.flag("mute", self.mute)
        self.deaf = reader.flag("deaf", self.deaf)
        self.lose = reader.integer("lose", self.lose, 0, 10_000)
        self.total_wh = reader.number("total_wh", self.total_wh, 0.0, 1e9)
        skip_s = reader.number("skip_s", 0.0, 0.0, 1e5)
        reset = reader.text("reset", "", ("user", "watchdog")) if "reset" in order else ""
        reader.finish()
        if reset:
            self._restart(int(reset == "watchdog"))
        self._ahead_s += skip_s
        self._advance(now)
        self._step()
        return self.facts()

    def facts(self) -> dict[str, object]:
        """The board as a voltmeter and a person would see it; of each connector, and of the first one in short."""
        found = [
            {
                "duty": connector.duty,
                "allowed": connector.allowed,
                "relay": connector.relay,
                "letter": "ABCDEF"[connector.letter],
                "errors": sorted(connector.errors),
                "phases": connector.phases,
                "locked": connector.bolt == 2,
                "current_a": connector.current_a,
                "testing": connector.testing,
                "closings": connector.closings,
            }
            for connector in self.connectors
        ]
        whole = {
            "connectors": found,
            "alone": self._alone,
            "configured": self._configured,
            "ports": self.ports,
            "resets": self.resets,
            "keep_alives": self.keep_alives,
            "spoilt": self._receiver.spoilt,
            "total_wh": self.total_wh,
            "log": self.log[-60:],
        }
        return {**found[0], **whole}

    # --- time ---------------------------------------------------------------------------------------------------------

    @property
    def _time(self) -> float:
        return self._now or 0.0

    @property
    def _running(self) -> bool:
        return self._boot_at <= self._time

    def _start(self, reason: int = 0) -> None:
        for connector in self.connectors:
            connector.clear()
        self._reason = reason
        self._boot_at = self._time + self._boot_s
        self._booted = False
        self._configured = not self.two
        self._alone = self.board == "adkit"  # charges by itself until it hears a host
        self._heard_at = self._time
        self._missing = False
        self._alive_at = self._meter_at = self._asks_at = self._boot_at
        self._told: dict[int, Shown] = {}

    def _restart(self, reason: int, *, by_power: bool = False) -> None:
        self.resets += 1
        self._receiver = Receiver()
        if not self._keeps_total:
            self.total_wh = 0.0
        self._start(0 if by_power else reason)

    def _advance(self, now: float) -> None:
        """Live until `now`."""
        target = now + self._ahead_s
        if self._now is None:
            self._now = target
            self._start(self._reason)
        while self._time < target:
            until = (
                min(target, max(self._next(), self._time + ROUNDING_S)) if self._running else min(target, self._boot_at)
            )
            for connector in self.connectors:
                wh = connector.current_a * VOLTS * connector.phases * (until - self._time) / 3600
                self.total_wh += wh
            self._now = until
            self._step()
            if until == target:
                return

    def _next(self) -> float:
        """When something happens by itself."""
        found = [self._alive_at]
        if any(connector.busy() for connector in self.connectors):
            found.append(self._time + STEP_S)
        if self.tags.out_meter:
            found.append(self._meter_at)
        if not self._configured:
            found.append(self._asks_at)
        if self._heartbeat_s and not self._missing:
            found.append(self._heard_at + self._heartbeat_s)
        return min(found)

    def _step(self) -> None:
        if not self._running:
            return
        if not self._booted:
            self._booted = True
            self._send(put(self.tags.out_reset, self._reason))
        self._missing = self._heartbeat_s > 0 and self._time - self._heard_at >= self._heartbeat_s - ROUNDING_S
        for connector in self.connectors:
            if self._alone:
                connector.duty, connector.allowed = 5333 if connector.vehicle.kind != "none" else 10001, True
            if self._missing:
                connector.forced.add("heartbeat")
            else:
                connector.forced.discard("heartbeat")
            connector.step(self._time)
            connector.step(self._time)  # what follows from it, within the same moment
        self._speak()

    # --- what it tells --------------------------------------------------------------------------------------------------

    def _speak(self) -> None:
        for number, connector in enumerate(self.connectors, 1):
            self._tell(number, connector)
        if self._time >= self._alive_at:
            self._alive_at = self._time + (3.0 if self.board == "adkit" else 1.0)
            if not self.mute:
                self._send(self._keep_alive())
            for number, connector in enumerate(self.connectors, 1):
                if self.board != "adkit":
                    self._send(self._telemetry(connector), number)
        if self.tags.out_meter and self._time >= self._meter_at:
            self._meter_at = self._time + 1.0
            if self.board == "yeti" or self.connectors[0].relay:
                self._send(self._power_meter(self.connectors[0]))
        if not self._configured and self._time >= self._asks_at:
            self._asks_at = self._time + CONFIG_EVERY_S
            self._send(put(self.tags.out_config, b""))

    def _tell(self, number: int, connector: Connector) -> None:
        """What has changed; all of it after a start, unless that is quiet."""
        errors = tuple(name for name in ERRORS[self.board] if name in connector.errors)
        pp = 3 if self.board == "adkit" else connector.pp
        shown: Shown = (connector.letter, connector.relay, errors, pp, connector.bolt)
        quiet: Shown = (0, False, (), 0, 1) if self._quiet_boot else (-1, not connector.relay, (), -1, -1)
        before = self._told.get(number, quiet)
        self._told[number] = shown
        tags = self.tags
        if shown[2] != before[2]:
            inner = b"".join(put(ERRORS[self.board].index(name) + 1, 1) for name in errors)
            self._send(put(tags.out_errors, inner), number)
        if shown[0] != before[0]:
            self._send(put(tags.out_cp, shown[0]), number)
        if shown[1] is not before[1]:
            self._send(self._relay(connector), number)
        if shown[3] != before[3]:
            self._send(put(tags.out_pp, shown[3]), number)
        if tags.out_lock and shown[4] != before[4]:
            self._send(put(tags.out_lock, shown[4]), number)

    def _relay(self, connector: Connector) -> bytes:
        if self.two:
            return put(self.tags.out_relay, put(1, 1) + (put(2, 1) if connector.relay else b""))
        return put(self.tags.out_relay, int(connector.relay))

    def _keep_alive(self) -> bytes:
        inner = put(1, int(self._time) & 0xFFFF) + put(2, 1) + put(3, 2)
        if self.two:
            inner += put(6, self.software) + (put(7, 1) if self._configured else b"")
            return put(self.tags.out_keep_alive, inner)
        max_a, min_a, max_phases, phase_switching = self._caps
        inner += put(4, 1) + put(5, 0) + put(6, self.software) + put(7, float(max_a)) + put(8, float(min_a))
        inner += put(9, max_phases) + put(10, 1) + (put(11, 1) if phase_switching else b"")
        return put(self.tags.out_keep_alive, inner)

    def _telemetry(self, connector: Connector) -> bytes:
        high = (12.0, 9.0, 6.0, 3.0, 0.0, -12.0)[connector.letter]
        low = -12.0 if connector.pwm else high
        if self.board == "tida":
            return put(self.tags.out_telemetry, put(1, high) + put(2, low) + put(3, 31.5) + put(4, 28.0))
        return put(self.tags.out_telemetry, put(1, int(abs(high) * 1000)) + put(2, int(abs(low) * 1000)))

    def _power_meter(self, connector: Connector) -> bytes:
        amps = [connector.current_a if phase < connector.phases else 0.0 for phase in range(3)]
        inner = put(1, int(self._time) & 0xFFFF)
        for phase in range(3):
            inner += put(2 + phase, VOLTS) + put(5 + phase, amps[phase]) + put(17 + phase, amps[phase] * VOLTS)
            inner += put(9 + phase, self.total_wh / 3) + put(13 + phase, 30.0 + phase) + put(20 + phase, 50.0)
        return put(self.tags.out_meter, inner + put(12, float(self.total_wh)))

    def _send(self, payload: bytes, number: int = 0) -> None:
        if self.lose:
            self.lose -= 1
            return
        self._out += frame(payload + (put(6, number) if self.two and number else b""))

    def _taken(self) -> bytes:
        out, self._out = self._out, b""
        return out

    # --- what it is told --------------------------------------------------------------------------------------------------

    def _obey(self, payload: bytes) -> None:
        message = get(payload)
        if message is None:
            return
        number = message.pop(7, [0])[-1] if self.two else 1
        names = {tag: name for name, tag in zip(NAMES, self.tags[: len(NAMES)], strict=True) if tag}
        for tag, values in message.items():
            name, value = names.get(tag, ""), values[-1]
            known = name in {"keep_alive", "reset", "config"} or self._configured
            if name and known and isinstance(number, int) and 0 <= number <= len(self.connectors):
                self.log.append(f"{name} {value.hex() if isinstance(value, bytes) else value}")
                del self.log[:-500]
                self._leave_alone_mode()
                self._order(name, self.connectors[max(number, 1) - 1], max(number, 1), value)

    def _leave_alone_mode(self) -> None:
        if self._alone:
            self._alone = False
            self.connectors[0].duty, self.connectors[0].allowed = 10001, False

    def _order(self, name: str, connector: Connector, number: int, value: int | float | bytes) -> None:
        inner = (get(value) or {}) if isinstance(value, bytes) else {}
        on = bool(value)
        match name:
            case "keep_alive":
                self.keep_alives += 1
                self._heard_at = self._time
            case "pwm" if isinstance(value, int) and not (self.board == "adkit" and 5333 < value < X1_FROM):
                connector.duty = value
            case "power":
                connector.allowed = bool(inner.get(2, [0])[-1]) if self.two else on
                connector.step(self._time)
                if self.two:
                    self._send(self._relay(connector), number)
            case "reset" if on:
                self._restart(0)
            case "lock":
                connector.move_bolt(on, self._time, tells_way=self.two)
            case "phases":
                connector.next_phases = 3 if on else 1
            case "rcd":
                connector.test_rcd(bool(inner.get(1, [0])[-1]), bool(inner.get(2, [0])[-1]), self._time)
            case "config":
                self._take_config(value)

    def _take_config(self, value: int | float | bytes) -> None:
        ports = (get(value) or {}).get(6, []) if isinstance(value, bytes) else []
        self.ports = []
        for port in ports:
            inner = (get(port) or {}) if isinstance(port, bytes) else {}
            numbers = {tag: int(found[-1]) for tag, found in inner.items() if isinstance(found[-1], int)}
            lock = get(inner[4][-1]) if 4 in inner and isinstance(inner[4][-1], bytes) else None
            kind = int((lock or {}).get(1, [0])[-1])
            self.ports.append({
                "type": numbers.get(1, 0), "active_low": numbers.get(2, 0), "pull": numbers.get(3, 0),
                "lock": kind - (1 << 64) if kind >= 1 << 63 else kind, "socket": numbers.get(5, 0),
            })  # fmt: skip
        self._configured = len(self.ports) == len(self.connectors)
