"""Keypads, buttons, and card readers that act as a keyboard, on /dev/input (the kernel's evdev; no package needed).

A keypad on GPIO is one too, by the device tree overlays of the kernel (gpio-key, matrix-keypad): it is debounced and scanned
there.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hal.api import ButtonPressed, KeyEntered
from hal.drivers.card_token import Presence, TokenOptions, read_options
from hal.drivers.keypad import CHARACTERS, KEYS, SHIFTED, SHIFTS, Key, KeypadSettings, PinEntry, read_keypad
from hal.drivers.reader_life import ReaderLife
from hal.drivers.serial_reader import LineFormat, LineSplitter, read_format
from hal.errors import BusError
from hal.settings import SettingsReader

log = logging.getLogger("hal.evdev")

_EVENT = struct.Struct("@llHHi")  # struct input_event: seconds, microseconds, type, code, value
_EV_SYN, _EV_KEY = 0, 1
_SYN_DROPPED = 3
_DOWN, _UP = 1, 0  # 2 is the repetition of a key that is held
_EVIOCGRAB = 0x40044590  # _IOW('E', 0x90, int)

_ADVICE = {
    errno.ENOENT: "there is no such device: is it plugged in? (stable names are in /dev/input/by-id)",
    errno.ENXIO: "there is no device behind it: is it plugged in?",
    errno.ENODEV: "it is gone: plug it in again",
    errno.EIO: "it is gone: plug it in again",
    errno.EACCES: "no permission: put the user into the group that owns it (input on Debian)",
    errno.EPERM: "no permission: put the user into the group that owns it (input on Debian)",
    errno.EBUSY: "another program has it for itself: stop that one, or set reader.grab to false",
    errno.ENOTTY: "it is no input device: check reader.port, or set reader.grab to false",
    errno.EINVAL: "it is no input device: check reader.port, or set reader.grab to false",
}


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """down: pressed, else released. Repetitions of a key that is held are no events."""

    code: int
    down: bool


class KeyDecoder:
    """Bytes of a device in, keys out; None: the kernel has dropped some."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[KeyEvent | None]:
        data = self._rest + data
        whole = len(data) - len(data) % _EVENT.size
        self._rest = data[whole:]
        for _, _, kind, code, value in _EVENT.iter_unpack(data[:whole]):
            if kind == _EV_KEY and value in {_DOWN, _UP}:
                yield KeyEvent(code, value == _DOWN)
            elif kind == _EV_SYN and code == _SYN_DROPPED:
                yield None


@dataclass(frozen=True, slots=True)
class EvdevSettings:
    """use: keypad, card or button. grab: for us alone, so that what is typed does not also reach a login prompt.

    codes: keys that are the button; empty: every key. evse: None is the whole station (a button has one).
    """

    port: str
    use: str
    grab: bool
    evse: int | None
    keypad: KeypadSettings
    options: TokenOptions
    format: LineFormat
    debounce_s: float
    codes: frozenset[int]


def read_settings(settings: Mapping[str, object]) -> EvdevSettings:
    """Raises ConfigError naming every field that is wrong: also one that belongs to another use."""
    reader = SettingsReader("reader", settings)
    if "port" not in settings:
        reader.problems.append("reader.port: is missing; must be /dev/input/... (see /dev/input/by-id)")
    port = reader.text("port", "/dev/null")
    use = reader.text("use", "keypad", ("keypad", "card", "button"))
    nothing = SettingsReader("reader", {})
    form = read_format(reader if use == "card" else nothing)
    options = read_options(reader if use == "card" else nothing, longest=max(form.sizes))
    evse = options.evse
    if use != "card":
        evse = reader.integer("evse", 1 if use == "button" else 0, 1 if use == "button" else 0, 999) or None
    found = EvdevSettings(
        port=port,
        use=use,
        grab=reader.flag("grab", True),
        evse=evse,
        keypad=read_keypad(reader if use == "keypad" else nothing),
        options=options,
        format=form,
        debounce_s=(reader if use == "card" else nothing).number("debounce_s", 2.0, 0.0, 60.0),
        codes=frozenset((reader if use == "button" else nothing).integers("codes", 1, 0x2FF)),
    )
    reader.finish()
    return found


class EvdevReader(ReaderLife):
    """One input device; tells KeyEntered, CardPresented or ButtonPressed, and ReaderFailure when it is gone."""

    def __init__(self, settings: EvdevSettings) -> None:
        super().__init__(settings.port, settings.evse)
        self.settings = settings
        self._fd = -1
        self._decoder = KeyDecoder()
        self._pin = PinEntry(settings.keypad)
        self._lines = LineSplitter()
        self._shifts: set[int] = set()
        self._presence = Presence(settings.debounce_s)

    # --- life -----------------------------------------------------------------------------------------------------------

    async def _reach(self) -> None:
        try:
            self._fd = os.open(self.name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            if self.settings.grab:
                fcntl.ioctl(self._fd, _EVIOCGRAB, 1)
        except OSError as error:
            raise self._failed("cannot be opened", error) from error
        self._decoder = KeyDecoder()
        self._lost_keys()

    async def _release(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)  # with it goes the grab
            self._fd = -1
        self._pin.forget()

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data = await self._read()
            for key in self._decoder.feed(data):
                if key is None:
                    self._lost_keys()
                else:
                    self._key(key, loop.time())

    async def _read(self) -> bytes:
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._fd, readable.set)
        try:
            while True:
                try:
                    data = os.read(self._fd, 64 * _EVENT.size)
                except BlockingIOError:
                    readable.clear()
                    await readable.wait()
                except OSError as error:
                    raise self._failed("cannot be read", error) from error
                else:
                    if not data:
                        raise self._failed("cannot be read", OSError(errno.ENODEV, "end of file"))
                    return data
        finally:
            loop.remove_reader(self._fd)

    def _failed(self, what: str, error: OSError) -> BusError:
        return BusError(f"{self.name} {what}: {_ADVICE.get(error.errno or 0, error.strerror)}")

    # --- keys -------------------------------------------------------------------------------------------------------------

    def _lost_keys(self) -> None:
        self._pin.forget()
        self._lines = LineSplitter()
        self._shifts.clear()

    def _key(self, key: KeyEvent, now: float) -> None:
        match self.settings.use:
            case "button":
                if key.down and key.code in (self.settings.codes or {key.code}):
                    self._emit(ButtonPressed(self.settings.evse or 1))
            case "keypad":
                pressed = KEYS.get(key.code)
                pin = self._pin.press(pressed, now) if key.down and pressed is not None else None
                if pin is not None:
                    self._emit(KeyEntered(self.settings.evse, pin))
            case _:
                self._typed(key, now)

    def _typed(self, key: KeyEvent, now: float) -> None:
        """A reader that acts as a keyboard types a card's number, and Enter."""
        if key.code in SHIFTS:
            (self._shifts.add if key.down else self._shifts.discard)(key.code)
        if not key.down:
            return
        character = "\n" if KEYS.get(key.code) is Key.ENTER else CHARACTERS.get(key.code)
        if character is None:
            return
        if self._shifts:
            character = SHIFTED.get(character, character.upper())
        for line in self._lines.feed(character.encode(), now):
            found = self.settings.format.event(line, self.settings.options)
            if found is None:
                log.debug("%s: %d characters name no card", self.name, len(line))
            elif self._presence.look([found[0]], now) is not None and found[1] is not None:
                self._emit(found[1])


def create(settings: Mapping[str, object]) -> EvdevReader:
    """Factory of reader "evdev". Raises ConfigError naming every field that is wrong."""
    return EvdevReader(read_settings(settings))


def claims(settings: Mapping[str, object]) -> set[tuple[str, int]]:
    """The whole device."""
    port = settings.get("port")
    return {(port, 0)} if isinstance(port, str) else set()
