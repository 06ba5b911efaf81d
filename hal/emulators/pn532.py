"""An emulated PN532 on its UART (firmware 1.6), with cards that people hold to it.

Orders: `card` (hexadecimal UID, a list of them, or "none"); `swipe_s` (with `card`: taken away after so long); `phone`
(true: a card with another random UID at every look); `auto_poll` (false: does not know InAutoPoll); `deaf` (true: no
answers); `wrong_checksum`, `lose` (so many frames of it); `chip` (number of the chip it says it is); `look` (facts only).
Every answer tells `field`, `awake`, `commands` (how many) and `last`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from hal.errors import ConfigError

ACK = bytes.fromhex("0000FF00FF00")
NACK = bytes.fromhex("0000FFFF0000")
ERROR = bytes.fromhex("0000FF01FF7F8100")
KNOBS = {"phone": bool, "auto_poll": bool, "deaf": bool, "wrong_checksum": int, "lose": int, "chip": int}
LOOK_S = 0.005  # REQA, anticollision, select


def frame(body: bytes) -> bytes:
    """A normal frame around TFI and data, as UM0701-02 draws it."""
    return bytes((0, 0, 0xFF, len(body), 256 - len(body))) + body + bytes(((256 - sum(body) % 256) % 256, 0))


class EmulatedPn532:
    """Sleeps until it is woken up, and is no reader until SAMConfiguration has said so."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.cards: list[bytes] = []
        self.phone = False
        self.auto_poll = True
        self.deaf = False
        self.wrong_checksum = self.lose = 0
        self.chip = 0x32
        self.commands = 0
        self.last = ""
        self._gone_at: float | None = None
        self._reset()

    def _reset(self) -> None:
        self._buffer = b""
        self._sent = b""
        self.awake = self.ready = self.field = False
        self.retries = 0xFF
        self._search: tuple[int, float, float, float] | None = None  # code, next look, step, until
        self._replies: list[tuple[float, bytes]] = []

    # --- wire -----------------------------------------------------------------------------------------------------------

    def feed(self, data: bytes, now: float) -> bytes:
        """Bytes from the host: each is looked at in its turn."""
        if b"\x55" in data:
            self.awake = True
        if not self.awake or self.deaf:
            return b""
        self._buffer += data
        out = b""
        while True:
            at = self._buffer.find(b"\x00\xff")
            if at < 0:
                self._buffer = self._buffer[-1:]
                return out
            rest = self._buffer[at + 2 :]
            if len(rest) < 2:
                return out
            if rest[:2] in {b"\x00\xff", b"\xff\x00"}:
                self._buffer = rest[2:]
                out += self._handshake(rest[:2] == b"\x00\xff")
                continue
            if (rest[0] + rest[1]) % 256:
                self._buffer = rest
                continue
            if len(rest) < rest[0] + 3:
                return out
            body = rest[2 : rest[0] + 2]
            if (sum(body) + rest[rest[0] + 2]) % 256 or body[:1] != b"\xd4":
                self._buffer = rest
                continue
            self._buffer = rest[rest[0] + 3 :]
            out += self._say(ACK) + self._command(body[1:], now)

    def _handshake(self, good: bool) -> bytes:
        """ACK ends what is under way; NACK has the last frame sent again."""
        if good:
            self._search = None
            self._replies.clear()
            return b""
        return self._say(self._sent)

    def _say(self, data: bytes) -> bytes:
        if self.lose > 0 and data:
            self.lose -= 1
            return b""
        if self.wrong_checksum > 0 and len(data) > len(ACK):
            self.wrong_checksum -= 1
            return data[:-2] + bytes(((data[-2] + 1) % 256, 0))
        return data

    def _answer(self, body: bytes) -> bytes:
        self._sent = frame(b"\xd5" + body)
        return self._say(self._sent)

    # --- commands ---------------------------------------------------------------------------------------------------------

    def _command(self, command: bytes, now: float) -> bytes:
        """What it says at once, after its ACK. A new command ends the one under way."""
        self._search = None
        self.commands += 1
        self.last = command.hex().upper()
        code, values = command[0], command[1:]
        if code == 0x14 and values[:1] == b"\x01":
            self.ready = True
            return self._answer(b"\x15")
        if code == 0x02 and not values:
            return self._answer(bytes((0x03, self.chip, 1, 6, 7)))
        if self.ready:
            if code == 0x32 and len(values) >= 2:
                return self._configure(values)
            if code == 0x4A and len(values) >= 2 and values[1] == 0:
                until = now if self.retries != 0xFF else float("inf")
                self._search = (code, now + LOOK_S, LOOK_S, until)
                return b""
            if code == 0x60 and len(values) >= 3 and self.auto_poll and 1 <= values[1] <= 15:
                step = 0.15 * values[1]
                looks = float("inf") if values[0] == 0xFF else values[0] - 1
                self._search = (code, now + LOOK_S, step, now + looks * step)
                return b""
        self._sent = ERROR
        return self._say(ERROR)

    def _configure(self, values: bytes) -> bytes:
        if values[0] == 1:
            self.field = bool(values[1] & 1)
        elif values[0] == 5 and len(values) >= 4:
            self.retries = values[3]
        return self._answer(b"\x33")

    def due(self, now: float) -> float | None:
        if self.deaf or not self.awake or self._search is None:
            return self._gone_at
        return self._search[1] if self._gone_at is None else min(self._search[1], self._gone_at)

    def tick(self, now: float) -> bytes:
        """Take a card away; look, and tell who came or that nobody did."""
        if self._gone_at is not None and now >= self._gone_at:
            self.cards, self.phone, self._gone_at = [], False, None
        if self._search is None or now < self._search[1] or self.deaf:
            return b""
        code, at, step, until = self._search
        self.field = True
        there = list(self.cards)
        if self.phone:
            there.insert(0, b"\x08" + self._rng.randbytes(3))
        if not there and at + step <= until + LOOK_S:
            self._search = (code, at + step, step, until)
            return b""
        self._search = None
        told = [self._target(number, uid, code) for number, uid in enumerate(there[: 1 if code == 0x4A else 2], 1)]
        return self._answer(bytes((code + 1, len(told))) + b"".join(told))

    def _target(self, number: int, uid: bytes, code: int) -> bytes:
        sense = {4: b"\x00\x04", 7: b"\x00\x44", 10: b"\x00\x84"}[len(uid)]
        is_iso = len(uid) != 4
        data = bytes((number,)) + sense + (b"\x20" if is_iso else b"\x08") + bytes((len(uid),)) + uid
        if is_iso:
            data += bytes.fromhex("067577810280")  # ATS of a DESFire
        return data if code == 0x4A else bytes((0x20 if is_iso else 0x10, len(data))) + data

    # --- people -----------------------------------------------------------------------------------------------------------

    def power(self, on: bool, now: float) -> None:
        self._reset()

    def control(self, order: Mapping[str, object], now: float) -> dict[str, object]:
        """Raises ConfigError naming the order."""
        for name, value in order.items():
            self._obey(name, value, now)
        return {"field": self.field, "awake": self.awake, "commands": self.commands, "last": self.last}

    def _obey(self, name: str, value: object, now: float) -> None:
        if name == "card":
            self.cards, self._gone_at = uids(value), None
        elif name == "swipe_s" and isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            self._gone_at = now + value
        elif name in KNOBS and type(value) is KNOBS[name]:
            setattr(self, name, value)
        elif name != "look":
            raise ConfigError(f"{name}: no such order, or not with {value!r}")


def uids(value: object) -> list[bytes]:
    """Cards by their UIDs in hexadecimal. Raises ConfigError."""
    if value == "none":
        return []
    texts = value if isinstance(value, list) else [value]
    try:
        found = [bytes.fromhex(str(text)) for text in texts]
    except ValueError:
        found = [b""]
    if not all(len(uid) in {4, 7, 10} for uid in found):
        raise ConfigError(f"card: must be UIDs of 4, 7 or 10 bytes in hexadecimal, or none, is {value!r}")
    return found


def create(settings: Mapping[str, object]) -> EmulatedPn532:
    """card: what lies on it from the beginning. seed: of the random UIDs. Raises ConfigError."""
    unknown = settings.keys() - {"card", "seed"}
    if unknown:
        raise ConfigError(f"pn532: unknown settings: {', '.join(sorted(unknown))}; known are card, seed")
    found = EmulatedPn532(random.Random(str(settings.get("seed", 0))))
    if "card" in settings:
        found.cards = uids(str(settings["card"]))
    return found
