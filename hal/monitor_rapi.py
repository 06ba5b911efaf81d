"""RAPI of OpenEVSE boards for people who watch the wire: each line with its meaning, answers with the command that they answer."""

from __future__ import annotations

from collections.abc import Callable

from hal.drivers import openevse_rapi as rapi
from hal.drivers.openevse_state import CHECKS, FAULTS, is_closed, is_connected
from hal.errors import DeviceError
from hal.monitor_base import Cut, Decoder, Direction, Verdict

__all__ = ["RapiDecoder", "state_words"]

COMMANDS = {
    "GV": "which firmware?",
    "GS": "which state?",
    "GG": "current and voltage?",
    "GU": "energy?",
    "GP": "temperatures?",
    "GF": "how many trips?",
    "GC": "which currents are possible?",
    "GE": "which settings?",
    "GI": "which processor?",
    "GY": "supervision of the host?",
    "G0": "is a vehicle connected?",
    "G5": "is the lock closed?",
    "GT": "which time?",
    "SC": "set the current",
    "SY": "sign of life, or arm the supervision of the host",
    "SV": "set the voltage for the count of energy",
    "SB": "take away the boot lock",
    "S1": "set the time",
    "S4": "set the authentication lock",
    "S5": "lock",
    "SL": "set the service level",
    "FE": "enable",
    "FS": "sleep",
    "FD": "disable",
    "FR": "restart",
    "FF": "switch a setting",
    "FB": "colour of the display",
    "FP": "write on the display",
}
STATES = {
    0x00: "unknown",
    0x01: "A, no vehicle",
    0x02: "B, vehicle connected",
    0x03: "C, charging",
    0xFE: "asleep",
    0xFF: "disabled",
}
_MOST_OPEN = 64


def state_words(state: int) -> str:
    """A state of the board in words."""
    if state in STATES:
        return STATES[state]
    return FAULTS[state][1] if state in FAULTS else f"state {state:02X}"


class RapiDecoder(Decoder):
    """A line begins with `$` and ends with a carriage return; its checksum is the XOR before `^`."""

    name = "rapi"
    most = 256

    def __init__(self, *, show_cards: bool = False) -> None:
        super().__init__(show_cards=show_cards)
        self._asked: dict[int, str] = {}  # sequence id -> command

    def cut(self, direction: Direction, waiting: bytes, *, final: bool) -> Cut | None:
        start = waiting.find(rapi.START)
        if start:
            return self.noise(start if start > 0 else len(waiting))
        end = waiting.find(rapi.END)
        again = waiting.find(rapi.START, 1)
        if again > 0 and (end < 0 or again < end):
            return Cut(again, f"{_shown(waiting[:again])}: the line has lost its end", Verdict.DAMAGED)
        if end < 0:
            if not final and len(waiting) <= rapi.LONGEST_LINE:
                return None
            return Cut(len(waiting), f"{_shown(waiting)}: the line has no end", Verdict.DAMAGED)
        size = end + 1
        if waiting[size : size + 1] == b"\n":  # a person at a terminal
            size += 1
        return self._line(waiting[:end], size)

    def _line(self, line: bytes, size: int) -> Cut:
        shown = _shown(line)
        text, mark, told = line.partition(b"^")
        if not mark:
            return Cut(size, f"{shown}: no checksum", Verdict.DAMAGED)
        right = rapi.checksum(text)
        if told.upper() != b"%02X" % right:
            return Cut(size, f"{shown}: wrong checksum {_shown(told)}, should be {right:02X}", Verdict.DAMAGED)
        message = rapi.parse(line)
        if message is None:
            return Cut(size, f"{shown}: is not what its word promises", Verdict.DAMAGED)
        meaning = self._meaning(message)
        return Cut(size, f"{shown}  {meaning}" if meaning else shown)

    def _meaning(self, message: rapi.Message) -> str:
        match message:
            case rapi.Reply(ok, _, sequence):
                command = "" if sequence is None else self._asked.pop(sequence, "")
                told = _answered(command.split(" ")[0], message) if ok else "refused"
                return f"answer to {command}: {told}" if command else told
            case rapi.Status(state, _, vflags, amps):
                return f"now {state_words(state)}, {amps} A offered, {_flags(message)} ({vflags:04X})"
            case rapi.Booted(post, firmware):
                return f"has started, firmware {firmware or '?'}" + (
                    f", self-test: {state_words(post)}" if post else ""
                )
            case rapi.Button(long):
                return f"button, {'long' if long else 'short'}"
            case rapi.Other(words):
                return self._command(words)

    def _command(self, words: tuple[str, ...]) -> str:
        if not words:
            return ""
        if len(words) > 1 and words[-1].startswith(":"):
            self._remember(words[-1][1:], " ".join(words[:-1]))
            words = words[:-1]
        meaning = COMMANDS.get(words[0], "")
        if words[0] == "SC":
            meaning += "" if "V" in words[2:] else " for good (EEPROM)"
        return meaning

    def _remember(self, sequence: str, command: str) -> None:
        try:
            number = int(sequence, 16)
        except ValueError:
            return
        self._asked.pop(number, None)
        self._asked[number] = command
        if len(self._asked) > _MOST_OPEN:
            del self._asked[next(iter(self._asked))]


def _shown(line: bytes) -> str:
    text = line.decode("ascii", "backslashreplace")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)


def _flags(status: rapi.Status) -> str:
    return (
        f"vehicle {'connected' if is_connected(status) else 'away'}, relay {'closed' if is_closed(status) else 'open'}"
    )


def _answered(command: str, reply: rapi.Reply) -> str:
    """What the fields of an answer say; as they are when they do not fit."""
    words = _ANSWERS.get(command)
    if words is None or not reply.fields:
        return " ".join(reply.fields) or "done"
    try:
        return words(reply)
    except DeviceError:
        return " ".join(reply.fields)


def _state(reply: rapi.Reply) -> str:
    status = rapi.status_of(reply)
    return f"{state_words(status.state)}, {_flags(status)}, {status.elapsed_s} s of charging"


def _capacity(reply: rapi.Reply) -> str:
    found = rapi.capacity_of(reply)
    return f"{found.least_a} to {found.hardware_a} A, configured {found.configured_a} A, offers {found.offered_a} A"


def _settings(reply: rapi.Reply) -> str:
    amps, flags = rapi.settings_of(reply)
    off = [name for name, flag in CHECKS.items() if flags & flag]
    return f"offers {amps} A, checks that are off: {', '.join(off) or 'none'}"


def _supervision(reply: rapi.Reply) -> str:
    found = rapi.heartbeat_of(reply)
    if not found.interval_s:
        return "no supervision of the host"
    missed = ("", ", a sign of life was missed", ", a sign of life is missing and the current reduced")
    return f"supervised every {found.interval_s} s, falls to {found.fallback_a} A{missed[found.missed % 3]}"


def _flow(reply: rapi.Reply) -> str:
    amps, volts = rapi.flow_of(reply)
    return f"{'no ammeter' if amps is None else f'{amps:.2f} A'}, {volts:.1f} V"


def _energy(reply: rapi.Reply) -> str:
    session_ws, total_wh = rapi.energy_of(reply)
    return f"{session_ws / 3600:.1f} Wh in this session, {total_wh} Wh before"


def _temperature(reply: rapi.Reply) -> str:
    hottest = rapi.hottest_of(reply)
    return "no sensor" if hottest is None else f"hottest {hottest:.1f} degrees Celsius"


def _trips(reply: rapi.Reply) -> str:
    gfi, ground, stuck = rapi.faults_of(reply)
    return f"GFI {gfi}, ground {ground}, stuck relay {stuck}"


_ANSWERS: dict[str, Callable[[rapi.Reply], str]] = {
    "GS": _state,
    "GC": _capacity,
    "GE": _settings,
    "GY": _supervision,
    "SY": _supervision,
    "GG": _flow,
    "GU": _energy,
    "GP": _temperature,
    "GF": _trips,
}
