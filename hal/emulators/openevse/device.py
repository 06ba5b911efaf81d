"""RAPI as an OpenEVSE board speaks it, with a reading of its own; sans-IO, for `hal.emulators.serve`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hal.emulators.openevse.board import CARS, FAULTS, FIRMWARE, LEAST_A, Eeprom, Firmware
from hal.settings import SettingsReader

PROTOCOL = "5.2.1"
LINE_BUFFER = 32
MOST_TOKENS = 10


def _signed(text: str) -> bytes:
    """A line with its checksum and end."""
    value = 0
    for character in text:
        value ^= ord(character)
    return f"{text}^{value:02X}\r".encode("latin-1")


class OpenEvseEmulator:
    """`hal.emulators.serve.Emulated`. Orders: see `control`."""

    def __init__(self, settings: Mapping[str, object]) -> None:
        reader = SettingsReader("openevse", settings)
        eeprom = Eeprom(
            configured_a=reader.integer("configured_a", 32, LEAST_A, 80),
            flags=0x0001 | reader.integer("flags", 0, 0, 0xFFFF),
            total_wh=reader.integer("total_wh", 0, 0, 10**9),
        )
        self.ammeter = reader.flag("ammeter", True)
        self.supervises = reader.flag("supervises", True)
        self.firmware = Firmware(
            eeprom,
            reader.integer("hardware_a", 80, LEAST_A, 80),
            reader.number("boot_s", 0.3, 0.0, 10.0),
            has_lock=reader.flag("lock", False),
        )
        reader.finish()
        self.log: list[str] = []
        self.heard_at: list[float] = []  # monotonic seconds of each line of the log
        self.obeyed_at = 0.0
        self.deaf = self.async_first = False
        self.lose = self.corrupt = 0  # so many of the next replies
        self._out = b""
        self._line: bytearray | None = None
        self._fed_at = 0.0

    # --- Emulated -----------------------------------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> bytes:
        self._fed_at = now
        self.firmware.advance(now)
        for byte in data:
            if byte == 0x24:
                self._line = bytearray(b"$")
            elif self._line is None:
                continue
            elif len(self._line) >= LINE_BUFFER:
                self._line = None  # too long: dropped without a word
            elif byte == 0x0D:
                text, self._line = self._line.decode("latin-1"), None
                if not self.deaf and self.firmware.running:
                    self._command(text)
            else:
                self._line.append(byte)
        return self._taken()

    def due(self, now: float) -> float | None:
        return now if self._out or self.firmware.said else self.firmware.due(now)

    def tick(self, now: float) -> bytes:
        self.firmware.advance(now)
        return self._taken()

    def power(self, on: bool, now: float) -> None:
        self.firmware.supply(on, now)
        self._line, self._out = None, b""

    def control(self, order: Mapping[str, object], now: float) -> dict[str, object]:
        """look: nothing but the facts. car: one of CARS. draw_a, obeys, stubborn: of the vehicle. fault: one of FAULTS, or
        "none". celsius. button: "short" or "long". deaf: hears nothing. lose_replies, corrupt_replies: so many of the next.
        async_first: tells its state before it answers. skip_s: seconds pass at once. reset: restarts by itself.
        """
        firmware = self.firmware
        self.obeyed_at = now
        firmware.advance(now)
        reader = SettingsReader("openevse", order)
        reader.flag("look", True)
        vehicle = firmware.vehicle
        vehicle.kind = reader.text("car", vehicle.kind, CARS)
        vehicle.draw_a = reader.number("draw_a", vehicle.draw_a, 0.0, 100.0)
        vehicle.obeys = reader.flag("obeys", vehicle.obeys)
        vehicle.stubborn = reader.flag("stubborn", vehicle.stubborn)
        fault = reader.text("fault", "", ("none", *FAULTS)) if "fault" in order else ""
        firmware.celsius = reader.number("celsius", firmware.celsius, -40.0, 150.0)
        press = reader.text("button", "", ("short", "long")) if "button" in order else ""
        self.deaf = reader.flag("deaf", self.deaf)
        self.lose = reader.integer("lose_replies", self.lose, 0, 1000)
        self.corrupt = reader.integer("corrupt_replies", self.corrupt, 0, 1000)
        self.async_first = reader.flag("async_first", self.async_first)
        skip_s = reader.number("skip_s", 0.0, 0.0, 1e6)
        reset = reader.flag("reset", False)
        reader.finish()
        if fault:
            firmware.fault = FAULTS.get(fault, 0)
        if press:
            firmware.press(press)
        if reset:
            firmware.restart()
        firmware.skip(skip_s, now)
        return self.facts()

    def facts(self) -> dict[str, object]:
        """The board as a voltmeter and a person would see it."""
        firmware = self.firmware
        eeprom = firmware.eeprom
        return {
            "state": f"{firmware.state:02X}",
            "mode": firmware.mode,
            "relay": firmware.relay,
            "amps": firmware.amps,
            "flags": firmware.flags(),
            "supervision": [eeprom.interval_s, eeprom.fallback_a, firmware.missed],
            "pulses": firmware.pulses,
            "writes": eeprom.writes,
            "total_wh": eeprom.total_wh,
            "session_ws": int(firmware.session_ws),
            "millivolts": firmware.millivolts,
            "locked": firmware.locked,
            "log": self.log[-40:],
            "heard_at": self.heard_at[-40:],
            "obeyed_at": self.obeyed_at,
        }

    def _taken(self) -> bytes:
        self._tell()
        out, self._out = self._out, b""
        return out

    def _tell(self) -> None:
        """What it says unasked."""
        for text in self.firmware.said:
            self._out += _signed(text)
        self.firmware.said.clear()

    def _answer(self, good: bool, text: str, sequence: str) -> None:
        line = " ".join(part for part in ("$OK" if good else "$NK", text, sequence) if part)
        if self.lose:
            self.lose -= 1
        elif self.corrupt:
            self.corrupt -= 1
            self._out += line.encode() + b"^00\r" if not _signed(line).endswith(b"^00\r") else b"$OK^FF\r"
        else:
            self._out += _signed(line)

    # --- commands -----------------------------------------------------------------------------------------------------

    def _command(self, line: str) -> None:
        body, told = line, ""
        marks = [index for index in (line.find("*"), line.find("^")) if index >= 0]
        if marks:
            cut = min(marks)
            body, told = line[:cut], line[cut:]
        tokens = body[1:].split(" ")
        if len(tokens) > MOST_TOKENS or (told and not self._checked(body, told)):
            self._answer(False, "", "")
            return
        sequence = tokens.pop() if len(tokens) > 1 and tokens[-1].startswith(":") else ""
        self.log.append(" ".join(tokens))
        self.heard_at.append(self._fed_at)
        del self.log[:-200], self.heard_at[:-200]
        try:
            good, text = self._obey(tokens[0], tokens[1:])
        except (ValueError, IndexError):
            good, text = False, ""
        self.firmware.tell_state()
        if self.async_first:
            self._tell()
        self._answer(good, text, sequence)
        self._tell()

    @staticmethod
    def _checked(body: str, told: str) -> bool:
        """`*`: the sum of all characters, the old way. `^`: their XOR."""
        total = 0
        for character in body:
            total = (total + ord(character)) & 0xFF if told[0] == "*" else total ^ ord(character)
        try:
            return int(told[1:3], 16) == total
        except ValueError:
            return False

    def _obey(self, word: str, rest: list[str]) -> tuple[bool, str]:
        """Whether it is obeyed, and the text of the answer. Raises ValueError, IndexError for what it cannot read."""
        firmware = self.firmware
        eeprom = firmware.eeprom
        answers: dict[str, Callable[[], str]] = {
            "GV": lambda: f"{FIRMWARE} {PROTOCOL}",
            "GS": lambda: f"{firmware.state:02x} {int(firmware.charged_s)} {firmware.pilot:02x} {firmware.flags():04x}",
            "GE": lambda: f"{firmware.amps} {eeprom.flags:04x}",
            "GC": lambda: f"{LEAST_A} {firmware.hardware_a} {firmware.amps} {eeprom.configured_a}",
            "GG": lambda: f"{round(firmware.current_a() * 1000) if self.ammeter else -1} {firmware.millivolts}",
            "GU": lambda: f"{int(firmware.session_ws)} {eeprom.total_wh}",
            "GP": lambda: f"{round(firmware.celsius * 10)} -2560 -2560",
            "GF": lambda: " ".join(f"{count:x}" for count in eeprom.counts),
            "G0": lambda: str(2 if firmware.mode == "N12" else int(firmware.connected)),
            "GI": lambda: "OPNEVS0123ABCD",
        }
        if word in answers:
            return True, answers[word]()
        switches = {"FE": firmware.enable, "FS": firmware.sleep, "FD": firmware.disable}
        if word in switches:
            switches[word]()
            return True, ""
        match word:
            case "SC":
                return firmware.set_current(int(rest[0]), keep=len(rest) == 1)
            case "SV":
                firmware.millivolts = int(rest[0])
                return True, ""
            case "SY" | "GY" if self.supervises:
                good = word == "GY" or firmware.supervision([int(number) for number in rest])
                return good, f"{eeprom.interval_s} {eeprom.fallback_a} {firmware.missed}"
            case "S5" | "G5" if firmware.has_lock:
                return firmware.lock(word, rest)
            case "FF" if rest[0] == "B" and rest[1] in {"0", "1"}:
                eeprom.flags = eeprom.flags & ~0x8000 | 0x8000 * (rest[1] == "0")
                eeprom.writes += 1
                return True, ""
        return False, ""
