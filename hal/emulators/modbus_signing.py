"""What signs in emulated meters: the snapshots of a Bauer BSM, the begin and end of an Iskra WM3M4C.

Real ECDSA over real OCMF, with a key that everybody knows: good for tests, worth nothing else.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from hal.emulators.modbus_meter import EmulatedMeter, Extra

SIGN_S = 0.2
"""How long a signature takes."""
_KEY = 0x0C0FFEE0_5EED_0F_A_7E57_AE7E5
_SERIAL = "001BZR1521070006"


class Signer:
    """P-256 with SHA-256."""

    def __init__(self, unit: int) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec  # a station without such meters starts without it

        self._ec = ec
        self._key = ec.derive_private_key(_KEY + unit, ec.SECP256R1())

    def sign(self, text: str) -> bytes:
        """Signature in DER."""
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._key.sign(text.encode(), self._ec.ECDSA(SHA256()))

    def public_der(self) -> bytes:
        """SubjectPublicKeyInfo."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        return self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


class Area:
    """Registers that remember what is put there."""

    def __init__(self) -> None:
        self.words: dict[int, int] = {}

    def put(self, address: int, data: bytes, words: int | None = None) -> None:
        """Bytes, padded with zeros up to so many registers."""
        length = 2 * words if words is not None else len(data) + len(data) % 2
        data = data.ljust(length, b"\0")
        for at in range(0, length, 2):
            self.words[address + at // 2] = data[at] << 8 | data[at + 1]

    def put_word(self, address: int, value: int) -> None:
        self.words[address] = value & 0xFFFF

    def get(self, address: int, length: int) -> bytes:
        """So many bytes."""
        count = (length + 1) // 2
        return b"".join(self.words.get(address + at, 0).to_bytes(2, "big") for at in range(count))[:length]


class ClockRegister:
    """Wall time as it was set, and goes on."""

    def __init__(self) -> None:
        self._set: tuple[float, float] | None = None  # seconds since 1970, and when
        self.offset_min = 0

    def set(self, seconds: int, now: float) -> None:
        self._set = (float(seconds), now)

    def lose(self) -> None:
        self._set = None

    def text(self, now: float) -> str:
        """TM of OCMF: S synchronised, U unknown."""
        known, at = self._set or (0.0, now)
        zone = timezone(timedelta(minutes=self.offset_min)) if self.offset_min else UTC
        moment = datetime.fromtimestamp(math.floor(known + now - at), zone)
        return moment.strftime("%Y-%m-%dT%H:%M:%S,000%z ") + ("S" if self._set else "U")


def _signed_minutes(word: int) -> int:
    return word - 0x10000 if word & 0x8000 else word


class BsmRegisters:
    """Snapshots, made when 2 is written to their status; their OCMF beside them."""

    EPOCH, META1, META_WORDS, KEY_WORDS, KEY_LENGTH, KEY = 40260, 40279, 70, 40449, 40450, 40451
    PAIRS: ClassVar = {
        40521: (41791, "C"),
        40775: (42291, "B"),
        41029: (42791, "E"),
        41283: (43291, "B"),
        41537: (43791, "E"),
    }
    """Snapshot model -> its OCMF model, TX."""
    STATUS, TEXT, TEXT_WORDS = 3, 4, 496
    VALID, INVALID, UPDATING = 0, 1, 2

    def __init__(self, meter: EmulatedMeter) -> None:
        self._meter = meter
        self._signer = Signer(meter.unit)
        self._area = Area()
        self._clock = ClockRegister()
        self._pages = 4000
        self._ready: dict[int, float] = {}  # snapshot -> when its signature is there
        self._area.put(self.META1, b"", self.META_WORDS)
        key = self._signer.public_der()
        self._area.put_word(self.KEY_WORDS, 48)
        self._area.put_word(self.KEY_LENGTH, len(key))
        self._area.put(self.KEY, key, 48)
        self.lose_power()

    def lose_power(self) -> None:
        self._clock.lose()
        self._ready.clear()
        for snapshot, (record, _) in self.PAIRS.items():
            self._area.put_word(snapshot + self.STATUS, self.INVALID)
            self._area.put_word(record + self.STATUS - 1, list(self.PAIRS).index(snapshot))
            self._area.put_word(record + self.STATUS, self.INVALID)
            self._area.put(record + self.TEXT, b"", self.TEXT_WORDS)

    def word(self, address: int, now: float) -> int | None:
        for snapshot, at in list(self._ready.items()):
            if at <= now:
                del self._ready[snapshot]
                self._finish(snapshot, now)
        return self._area.words.get(address)

    def write(self, address: int, words: list[int], now: float) -> bool:
        if address == self.EPOCH and len(words) == 3:
            self._clock.offset_min = _signed_minutes(words[2])
            self._clock.set(words[0] << 16 | words[1], now)
        elif address == self.META1 and len(words) == self.META_WORDS:
            self._area.put(self.META1, b"".join(word.to_bytes(2, "big") for word in words))
        elif address - self.STATUS in self.PAIRS and words == [self.UPDATING]:
            self._area.put_word(address, self.UPDATING)
            self._ready[address - self.STATUS] = now + SIGN_S
        else:
            return False
        return True

    def _finish(self, snapshot: int, now: float) -> None:
        record, kind = self.PAIRS[snapshot]
        self._pages += 1
        energy_wh = 10 * int(self._meter.energy_wh["energy_import_wh"] / 10)
        payload = {
            "FV": "1.0",
            "GI": "BAUER Electronic BSM-WS36A-H01-1311-0000",
            "GS": _SERIAL,
            "GV": "1.9:32CA:AFF4, f1d3d06",
            "PG": f"T{self._pages}",
            "MV": "BAUER Electronic",
            "MM": "BSM-WS36A-H01-1311-0000",
            "MS": _SERIAL,
            "IS": True,
            "IT": "UNDEFINED",
            "ID": self._area.get(self.META1, 2 * self.META_WORDS).split(b"\0")[0].decode(errors="replace"),
            "RD": [
                {
                    "TM": self._clock.text(now),
                    "TX": kind,
                    "RV": energy_wh / 1000,
                    "RI": "1-0:1.8.0*198",
                    "RU": "kWh",
                    "XV": energy_wh / 1000,
                    "XI": "1-0:1.8.0*255",
                    "XU": "kWh",
                    "XT": list(self.PAIRS).index(snapshot),
                    "RT": "AC",
                    "EF": "",
                    "ST": "G",
                }
            ],
        }
        text = json.dumps(payload, separators=(",", ":"))
        signature = {"SA": "ECDSA-secp256r1-SHA256", "SD": self._signer.sign(text).hex()}
        whole = f"OCMF|{text}|{json.dumps(signature, separators=(',', ':'))}"
        self._area.put(record + self.TEXT, whole.encode(), self.TEXT_WORDS)
        self._area.put_word(record + self.STATUS, self.VALID)
        self._area.put_word(snapshot + self.STATUS, self.VALID)


class IskraRegisters:
    """State, command and status; a JSON template in, a record and its signature out."""

    STATE, COMMAND, STATUS, OFFSET, EPOCH_HIGH, EPOCH_LOW, TEMPLATE_LENGTH = 7000, 7051, 7052, 7053, 7054, 7055, 7056
    RECORD_LENGTH, SIGNATURE_LENGTH, ALGORITHM, SYNCHRONISED, TEMPLATE = 7057, 7058, 7059, 7071, 7100
    RECORD, KEY, SIGNATURE = 7612, 8124, 8188
    BEGIN, END = 0x4200, 0x7200
    BUSY, DONE, WRONG_TIME, WRONG_STATE = 2, 15, 128, 131
    SINGLE: ClassVar = {7053, 7054, 7055, 7056, 7059, 7071}

    def __init__(self, meter: EmulatedMeter) -> None:
        self._meter = meter
        self._signer = Signer(meter.unit)
        self._area = Area()
        self._clock = ClockRegister()
        self._begun: dict[str, object] | None = None
        self._pages = 0
        self._pending: tuple[float, int] | None = None  # when, which command
        for address in (self.STATE, self.STATUS, self.RECORD_LENGTH, self.SIGNATURE_LENGTH, *self.SINGLE):
            self._area.put_word(address, 0)
        self._area.put(self.RECORD, b"", self.KEY - self.RECORD)
        self._area.put(self.KEY, self._signer.public_der()[-64:])
        self._area.put(self.SIGNATURE, b"", 40)

    def lose_power(self) -> None:
        self._clock.lose()
        self._area.put_word(self.SYNCHRONISED, 0)
        self._pending = None
        if self._area.words[self.STATE]:
            self._area.put_word(self.STATE, 2)

    def word(self, address: int, now: float) -> int | None:
        if self._pending is not None and self._pending[0] <= now:
            command, self._pending = self._pending[1], None
            self._carry_out(command, now)
        return self._area.words.get(address)

    def write(self, address: int, words: list[int], now: float) -> bool:
        if address == self.COMMAND:
            self._area.put_word(self.STATUS, self.BUSY)
            self._pending = (now + SIGN_S, words[0])
        elif address in self.SINGLE and len(words) == 1:
            self._area.put_word(address, words[0])
            if address == self.SYNCHRONISED and words[0] == 2:
                seconds = self._area.words[self.EPOCH_HIGH] << 16 | self._area.words[self.EPOCH_LOW]
                self._clock.offset_min = _signed_minutes(self._area.words[self.OFFSET])
                self._clock.set(seconds, now)
        elif address >= self.TEMPLATE and address + len(words) <= self.RECORD:
            self._area.put(address, b"".join(word.to_bytes(2, "big") for word in words))
        else:
            return False
        return True

    def _carry_out(self, command: int, now: float) -> None:
        idle = self._area.words[self.STATE] == 0
        if self._area.words[self.SYNCHRONISED] != 2:
            status = self.WRONG_TIME
        elif command == self.BEGIN and idle:
            self._begun = self._reading("B", now)
            self._area.put_word(self.STATE, 1)
            status = self.DONE
        elif command == self.END and not idle:
            self._sign(now)
            self._area.put_word(self.STATE, 0)
            status = self.DONE
        else:
            status = self.WRONG_STATE
        self._area.put_word(self.STATUS, status)

    def _reading(self, kind: str, now: float) -> dict[str, object]:
        energy_wh = int(self._meter.energy_wh["energy_import_wh"])
        return {
            "TM": self._clock.text(now),
            "TX": kind,
            "RV": energy_wh / 1000,
            "RI": "1-0:1.8.0",
            "RU": "kWh",
            "RT": "AC",
            "EF": "",
            "ST": "G",
        }

    def _sign(self, now: float) -> None:
        template = self._area.get(self.TEMPLATE, self._area.words[self.TEMPLATE_LENGTH])
        record = json.loads(template or b"{}")
        self._pages += 1
        record |= {"PG": f"T{self._pages}", "MV": "Iskra", "MM": "WM3M4C", "MS": "123456", "MF": "1.14"}
        record["RD"] = [self._begun, self._reading("E", now)]
        text = json.dumps(record, separators=(",", ":"))
        signature = _padded(self._signer.sign(text))
        self._area.put(self.RECORD, text.encode())
        self._area.put_word(self.RECORD_LENGTH, len(text))
        self._area.put(self.SIGNATURE, signature)
        self._area.put_word(self.SIGNATURE_LENGTH, len(signature))


def _padded(der: bytes) -> bytes:
    """r and s with all their 32 bytes: leading zeros that DER forbids, as this meter sends them."""
    body, at = b"", 2
    while at < len(der):
        number = der[at + 2 : at + 2 + der[at + 1]]
        at += 2 + der[at + 1]
        number = number.rjust(32, b"\0")
        body += bytes((0x02, len(number))) + number
    return bytes((0x30, len(body))) + body


def signing_registers(meter: EmulatedMeter) -> Extra:
    """Those of its model."""
    return BsmRegisters(meter) if meter.model.signing == "bsm" else IskraRegisters(meter)
