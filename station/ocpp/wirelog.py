"""What passed over the wire, for live views and logs: every frame with its verdict, secrets masked."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson

from station.logs import masked_addresses
from station.runtime.fence import Fence, told

FrameListener = Callable[[str, str, str | None, str], None]
"""(direction "in" or "out", masked text, action or None, verdict)."""

MASK = "***"
_log = logging.getLogger("station.ocpp.wire")

_SECRET_FIELDS = frozenset({"basicauthpassword", "password", "apnpassword", "simpin"})
_SECRET_NAMES = frozenset({"authorizationkey", "basicauthpassword"})
_HINTS = ("authorizationkey", "password", "simpin", "keycode")
_PINS_KEPT = 32


class WireLog:
    """Hands frames to listeners. Without any, a frame costs one test."""

    __slots__ = ("_listeners", "_pins")

    def __init__(self) -> None:
        self._listeners: list[FrameListener] = []
        self._pins: list[str] = []

    def listen(self, listener: FrameListener) -> Callable[[], None]:
        """Call `listener` for every frame from now on; the returned function ends that, and so does an error of its own."""
        self._listeners.append(listener)
        return lambda: self._drop(listener)

    def _drop(self, listener: FrameListener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    def clear(self) -> None:
        """Nobody listens any more."""
        self._listeners.clear()

    def hide(self, pin: str) -> None:
        """A PIN that may appear in frames (1.6 does not say what kind an idTag is); C04.FR.02: never logged."""
        if pin and pin not in self._pins:
            self._pins.append(pin)
            del self._pins[:-_PINS_KEPT]

    @property
    def wanted(self) -> bool:
        return bool(self._listeners) or _log.isEnabledFor(logging.DEBUG)

    def frame(self, direction: str, text: str, action: str | None, verdict: str) -> None:
        """Tell everybody. Call it when `wanted`."""
        masked = self.mask(text)
        _log.debug("%s %s [%s] %s", direction, action or "?", verdict, masked)
        for listener in tuple(self._listeners):
            with Fence() as fence:
                listener(direction, masked, action, verdict)
            if fence.error is not None:
                # We are in the middle of sending or receiving, which no view may stop.
                self._drop(listener)
                _log.warning("a listener failed and hears no more: %r", fence.error, exc_info=told(fence.error))

    def mask(self, text: str) -> str:
        """The text without passwords and PINs. Text that is no JSON but may hold a secret is withheld as a whole."""
        text = masked_addresses(text)  # of file servers: GetLog, UpdateFirmware
        lower = text.lower()
        suspicious = any(hint in lower for hint in _HINTS)
        if not suspicious and not any(pin in text for pin in self._pins):
            return text
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            return f"<{len(text)} characters withheld>"
        return orjson.dumps(self._masked(message)).decode()

    def _masked(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._masked(item) for item in value]
        if isinstance(value, dict):
            return self._masked_object(value)
        if isinstance(value, str) and value in self._pins:
            return MASK
        return value

    def _masked_object(self, value: dict[str, Any]) -> dict[str, Any]:
        result = {}
        for name, item in value.items():
            lower = name.lower()
            secret = lower in _SECRET_FIELDS
            secret = secret or (lower == "idtoken" and value.get("type") == "KeyCode")
            secret = secret or (lower in ("value", "attributevalue") and _names_a_secret(value))
            secret = secret or (lower == "key" and "server" in value)  # VPNType: the shared secret
            result[name] = MASK if secret and isinstance(item, str | int) else self._masked(item)
        return result


def _names_a_secret(value: dict[str, Any]) -> bool:
    """`{"key": "AuthorizationKey", ...}` (1.6), `{"variable": {"name": "BasicAuthPassword"}, ...}` (2.x)."""
    variable = value.get("variable")
    name = variable.get("name") if isinstance(variable, dict) else value.get("key")
    return isinstance(name, str) and name.lower() in _SECRET_NAMES
