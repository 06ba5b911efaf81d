"""The registers of one Modbus EVSE board: what is known of them, and how they are read and written."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from hal.boards.model import Block, BoardModel, Identity, Place, Write
from hal.bus.modbus_rtu import Function, ModbusDevice, RefusedError, Request

log = logging.getLogger("hal.modbus_board")


class Registers:
    """words: what was read last. A word that has just been written is unknown until it is read back."""

    def __init__(self, device: ModbusDevice, model: BoardModel) -> None:
        self.device = device
        self.words: dict[Place, int] = {}
        self._blocks = list(model.blocks)
        self._read_at: dict[Block, float] = {}

    @property
    def name(self) -> str:
        return f"unit {self.device.unit} on {self.device.bus.line.port}"

    def forget(self) -> None:
        """Nothing is known any more: the board may have restarted."""
        self.words.clear()
        self._read_at.clear()

    async def look(self) -> None:
        """Read the blocks that are due. Raises BusError; DeviceError when the board refuses one that it must have."""
        now = asyncio.get_running_loop().time()
        for block in tuple(self._blocks):
            if block not in self._read_at or now - self._read_at[block] >= block.every_s:
                await self._read_block(block)
                self._read_at[block] = now

    async def _read_block(self, block: Block) -> None:
        try:
            values = await self._ask(block.function, block.start, block.count)
        except RefusedError as error:
            if not block.optional:
                raise
            log.info("%s: does without %s", self.name, error)
            self._blocks.remove(block)
            return
        self.words.update(zip(block.places(), values, strict=True))

    async def read(self, place: Place) -> int:
        """One word now; at once, for it says whether an order has been obeyed. Raises BusError, DeviceError."""
        (value,) = await self._ask(place.function, place.address, 1, urgent=True)
        self.words[place] = value
        return value

    async def known(self, place: Place) -> int:
        """The word, read if need be. Raises BusError, DeviceError."""
        word = self.words.get(place)
        return await self.read(place) if word is None else word

    async def write(self, write: Write, value: int, wanted: Callable[[], bool] | None = None) -> None:
        """Ahead of all who wait for the line. Once `wanted` says no, nothing is sent any more. Raises BusError, DeviceError."""

        def sent() -> bool:
            if wanted is not None and not wanted():
                return False
            self.words.pop(write.place, None)
            return True

        request = Request(self.device.unit, Function(write.function), write.place.address, values=(value,))
        await self.device.bus.ask(request, self.device.timing, urgent=True, wanted=sent)

    async def identify(self, identity: Identity) -> str:
        """A fact in words; "" when the board refuses to tell. Raises BusError."""
        try:
            words = await self._ask(identity.function, identity.address, identity.count)
        except RefusedError:
            return ""
        if identity.kind == "text":
            data = b"".join(word.to_bytes(2, "big") for word in words)
            text = data.decode("ascii", errors="replace").replace("\x00", " ").strip()
            return "".join(character for character in text if character.isprintable())
        if identity.kind == "version":
            return f"{words[0] >> 8}.{words[0] >> 4 & 0xF}.{words[0] & 0xF}"
        number = int.from_bytes(b"".join(word.to_bytes(2, "big") for word in words), "big")
        return f"{number:0{4 * identity.count}x}" if identity.kind == "hex" else str(number)

    async def _ask(self, function: int, address: int, count: int, *, urgent: bool = False) -> tuple[int, ...]:
        request = Request(self.device.unit, Function(function), address, count)
        return await self.device.bus.ask(request, self.device.timing, urgent=urgent)
