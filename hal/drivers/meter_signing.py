"""Meters that sign: Bauer BSM (snapshots) and Iskra WM3M4C (begin and end). Their OCMF is passed on as it came.

Sources: chargeITmobility/bsm-python doc/examples/snapshots.md and ocmf.md; EVerest RsIskraMeter and Iskra's manual 1.14.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from hal.api import MeterReading, SignedMoment
from hal.bus.modbus_rtu import MOST_READ, ModbusDevice
from hal.drivers.modbus_meter import ModbusMeter
from hal.errors import DeviceError
from hal.meters.model import MeterModel

HOLDING = 3
SIGN_S = 15.0
"""Longest that either meter takes for a signature."""
POLL_S = 0.1
_P256_PREFIX = "3059301306072a8648ce3d020106082a8648ce3d030107034200"
"""DER of SubjectPublicKeyInfo up to the point, for P-256."""


def _to_words(data: bytes, count: int | None = None) -> tuple[int, ...]:
    """Two characters a register, padded with zeros to `count`."""
    length = 2 * count if count is not None else len(data) + len(data) % 2
    padded = data.ljust(length, b"\0")
    return tuple(int.from_bytes(padded[at : at + 2], "big") for at in range(0, length, 2))


def _to_bytes(words: tuple[int, ...]) -> bytes:
    return b"".join(word.to_bytes(2, "big") for word in words)


class SigningModbusMeter(ModbusMeter, ABC):
    """What both have in common. One record at a time; plain readings pass between its steps."""

    def __init__(
        self, model: MeterModel, device: ModbusDevice, max_a: float | None = None, offset_min: int = 0
    ) -> None:
        super().__init__(model, device, max_a)
        self.offset_min = offset_min
        self._signing = asyncio.Lock()

    async def sign(self, moment: SignedMoment, identification: str, wall_s: float | None) -> MeterReading:
        """See hal.api.SigningMeter. Raises BusError, DeviceError."""
        async with self._signing:
            signed = await self._record(moment, identification, wall_s)
            return dataclasses.replace(await self.read(), signed=signed)

    @abstractmethod
    async def _record(self, moment: SignedMoment, identification: str, wall_s: float | None) -> str | None:
        """The record as the meter made it; None when it comes later."""

    @abstractmethod
    async def public_key(self) -> str:
        """See hal.api.SigningMeter."""

    async def _until(self, address: int, judge: Callable[[int], bool], what: str) -> None:
        """Poll a register until `judge` is content (it may raise). Raises DeviceError after SIGN_S."""
        loop = asyncio.get_running_loop()
        until = loop.time() + SIGN_S
        while not judge(await self._register(address)):
            if loop.time() >= until:
                raise DeviceError(f"{self.name}: {what} took more than {SIGN_S:.0f} s; try again, or restart the meter")
            await asyncio.sleep(POLL_S)

    async def _register(self, address: int) -> int:
        return (await self.device.read(HOLDING, address, 1))[0]

    async def _bytes(self, address: int, length: int) -> bytes:
        """So many bytes from `address` on."""
        found = b""
        while len(found) < length:
            count = min(MOST_READ, (length - len(found) + 1) // 2)
            found += _to_bytes(await self.device.read(HOLDING, address + len(found) // 2, count))
        return found[:length]

    def _ascii(self, data: bytes, what: str) -> str:
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DeviceError(f"{self.name}: its {what} is no text; try again") from error


# --- Bauer BSM --------------------------------------------------------------------------------------------------------

_BSM_EPOCH = 40260  # 3 registers: seconds since 1970 (2), minutes from UTC
_BSM_META1, _BSM_META_WORDS = 40279, 70
_BSM_KEY_LENGTH, _BSM_KEY = 40450, 40451  # bytes; DER, RFC 5480
_BSM_SNAPSHOT = {SignedMoment.CURRENT: 40521, SignedMoment.BEGIN: 41283, SignedMoment.END: 41537}
_BSM_OCMF = {SignedMoment.CURRENT: 41791, SignedMoment.BEGIN: 43291, SignedMoment.END: 43791}
_BSM_STATUS, _BSM_TEXT, _BSM_TEXT_WORDS = 3, 4, 496
_BSM_VALID, _BSM_INVALID, _BSM_UPDATING = 0, 1, 2


class BsmMeter(SigningModbusMeter):
    """The snapshots for begin and end that leave its contactor output alone: the board has the contactor."""

    async def _record(self, moment: SignedMoment, identification: str, wall_s: float | None) -> str | None:
        if wall_s is not None:
            seconds = int(wall_s)
            words = (seconds >> 16 & 0xFFFF, seconds & 0xFFFF, self.offset_min & 0xFFFF)
            await self.device.write_registers(_BSM_EPOCH, words)
        if moment is not SignedMoment.END:  # both records of a charge name the same payer
            meta = identification.encode()[: 2 * _BSM_META_WORDS]
            await self.device.write_registers(_BSM_META1, _to_words(meta, _BSM_META_WORDS))
        snapshot, record = _BSM_SNAPSHOT[moment], _BSM_OCMF[moment]
        await self.device.write_registers(snapshot + _BSM_STATUS, (_BSM_UPDATING,))
        await self._until(snapshot + _BSM_STATUS, self._valid, "its snapshot")
        await self._until(record + _BSM_STATUS, self._derived, "its OCMF record")
        text = self._ascii(await self._until_nul(record + _BSM_TEXT, _BSM_TEXT_WORDS), "OCMF record")
        if not text.startswith("OCMF|"):
            raise DeviceError(f"{self.name}: its record begins with {text[:12]!r}, not with 'OCMF|'; try again")
        return text

    async def _until_nul(self, address: int, words: int) -> bytes:
        """The characters before the first NUL, in no more requests than that takes."""
        found = b""
        while words > 0 and b"\0" not in found:
            count = min(MOST_READ, words)
            found += _to_bytes(await self.device.read(HOLDING, address, count))
            address, words = address + count, words - count
        return found.split(b"\0", 1)[0]

    def _derived(self, status: int) -> bool:
        """Of the OCMF record, which is made from the snapshot: invalid (1) until then."""
        return status != _BSM_INVALID and self._valid(status)

    def _valid(self, status: int) -> bool:
        if status not in {_BSM_VALID, _BSM_UPDATING}:
            raise DeviceError(f"{self.name}: could not make a snapshot (status {status}); is its time set?")
        return status == _BSM_VALID

    async def public_key(self) -> str:
        """See hal.api.SigningMeter."""
        length = await self._register(_BSM_KEY_LENGTH)
        if not 2 <= length <= 2 * MOST_READ:
            raise DeviceError(f"{self.name}: says that its public key has {length} bytes; was it ever made?")
        return (await self._bytes(_BSM_KEY, length)).hex()


# --- Iskra WM3M4C -----------------------------------------------------------------------------------------------------

_STATE, _COMMAND, _STATUS, _OFFSET, _EPOCH_HIGH, _EPOCH_LOW = 7000, 7051, 7052, 7053, 7054, 7055
_TEMPLATE_LENGTH, _RECORD_LENGTH, _SIGNATURE_LENGTH, _ALGORITHM, _SYNCHRONISED = 7056, 7057, 7058, 7059, 7071
_TEMPLATE, _RECORD, _SIGNATURE, _KEY = 7100, 7612, 8188, 8124
_BEGIN, _END = 0x4200, 0x7200  # 'B', 'r'
_IDLE, _AFTER_POWER_FAILURE = 0, 2
_SIGNED, _FAILED = 15, 128
_RECORD_MOST = 2 * (8124 - 7612)


class IskraMeter(SigningModbusMeter):
    """Begin and end together are one record, which the end gives; a beginning gives none."""

    async def _record(self, moment: SignedMoment, identification: str, wall_s: float | None) -> str | None:
        if moment is SignedMoment.CURRENT:
            raise DeviceError(f"{self.name}: signs the end of a charge only; read it without signature meanwhile")
        state = await self._register(_STATE)
        if moment is SignedMoment.BEGIN:
            if state != _IDLE:  # a charge that nobody ended: else the next one could not begin
                await self._finish(identification, wall_s, state)
            await self._prepare(identification, wall_s)
            await self._command(_BEGIN)
            return None
        if state == _IDLE:
            raise DeviceError(f"{self.name}: no charge has begun, so there is no record of its end")
        return await self._finish(identification, wall_s, state)

    async def _finish(self, identification: str, wall_s: float | None, state: int) -> str:
        if state == _AFTER_POWER_FAILURE:  # 6.6 of the manual: time and identification are lost
            await self._prepare(identification, wall_s)
        await self._command(_END)
        length = await self._register(_RECORD_LENGTH)
        if not 2 <= length <= _RECORD_MOST:
            raise DeviceError(f"{self.name}: says that its record has {length} bytes; try again")
        record = self._ascii(await self._bytes(_RECORD, length), "record")
        length = await self._register(_SIGNATURE_LENGTH)
        if not 8 <= length <= 80:
            raise DeviceError(f"{self.name}: says that its signature has {length} bytes; try again")
        signature = shortest_der(await self._bytes(_SIGNATURE, length))
        return f'OCMF|{record}|{{"SD":"{signature.hex()}"}}'

    async def _prepare(self, identification: str, wall_s: float | None) -> None:
        if wall_s is not None:
            seconds = int(wall_s)
            await self.device.write_register(_EPOCH_HIGH, seconds >> 16 & 0xFFFF)
            await self.device.write_register(_EPOCH_LOW, seconds & 0xFFFF)
            await self.device.write_register(_OFFSET, self.offset_min & 0xFFFF)
            await self.device.write_register(_SYNCHRONISED, 2)
        await self.device.write_register(_ALGORITHM, 0)
        template = iskra_template(identification)
        words = _to_words(template)
        for at in range(0, len(words), 100):
            await self.device.write_registers(_TEMPLATE + at, words[at : at + 100])
        await self.device.write_register(_TEMPLATE_LENGTH, len(template))

    async def _command(self, command: int) -> None:
        """Never repeated: a second `begin` would be refused, a second `end` too."""
        await self.device.write_register(_COMMAND, command, once=True)
        await self._until(_STATUS, self._signed, "its signature")

    def _signed(self, status: int) -> bool:
        if status >= _FAILED:
            raise DeviceError(f"{self.name}: could not sign (status {status}); is its time set?")
        return status == _SIGNED

    async def public_key(self) -> str:
        """See hal.api.SigningMeter."""
        return _P256_PREFIX + "04" + _to_bytes(await self.device.read(HOLDING, _KEY, 32)).hex()


def iskra_template(identification: str) -> bytes:
    """The OCMF fields that the host gives; the meter fills in the others. `|` separates the parts of OCMF."""
    fields = {
        "FV": "1.0",
        "GI": "",
        "GS": "",
        "GV": "",
        "PG": "",
        "MV": "",
        "MM": "",
        "MS": "",
        "MF": "",
        "IS": True,
        "IF": [],
        "IT": "NONE",
        "ID": identification.replace("|", " "),
        "CT": "EVSEID",
        "CI": "",
        "RD": [],
    }
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=True).encode()


def shortest_der(signature: bytes) -> bytes:
    """An ECDSA signature without leading zeros in r and s, which this meter leaves in: DER forbids them.

    What is no such signature comes back as it was.
    """
    if len(signature) < 8 or signature[0] != 0x30 or signature[1] != len(signature) - 2:
        return signature
    body, at = b"", 2
    while at < len(signature):
        end = at + 2 + signature[at + 1] if at + 1 < len(signature) else len(signature) + 1
        if signature[at] != 0x02 or end > len(signature) or end == at + 2:
            return signature
        number = signature[at + 2 : end].lstrip(b"\0") or b"\0"
        if number[0] & 0x80:
            number = b"\0" + number  # without it the number would be negative
        body += bytes((0x02, len(number))) + number
        at = end
    return bytes((0x30, len(body))) + body


SIGNERS: Mapping[str, type[SigningModbusMeter]] = {"bsm": BsmMeter, "iskra": IskraMeter}
