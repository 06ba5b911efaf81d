"""The network cable of a station on the bench that talks to a CSMS over the network."""

from __future__ import annotations

import asyncio
import random

from station.ocpp.link import Link, LinkHooks, LinkState
from station.ocpp.link_settings import LinkSettings
from station.ocpp.trouble import Trouble

__all__ = ["Switch"]


class Switch:
    """A link with a plug that can be pulled."""

    def __init__(self, settings: LinkSettings, hooks: LinkHooks, rng: random.Random, *, connected: bool) -> None:
        self._settings = settings
        self._hooks = hooks
        self._rng = rng
        self._link: Link | None = None
        self._plugged = asyncio.Event()
        if connected:
            self._plugged.set()
        self._open = False
        self._over = False

    def configure(self, settings: LinkSettings) -> None:
        self._settings = settings
        if self._link is not None:
            self._link.configure(settings)

    async def run(self) -> None:
        """A link of its own each time that the cable is put in; returns after `close`."""
        while True:
            await self._plugged.wait()
            if self._over:
                return
            self._link = Link(self._settings, self, self._rng)
            # A task of its own: closing a link waits for its task, and ours goes on.
            await asyncio.get_running_loop().create_task(self._link.run())

    def send(self, text: str) -> bool:
        return self._link.send(text) if self._link is not None else False

    def reconnect(self, reason: str, *, at_once: bool = False) -> None:
        if self._link is not None:
            self._link.reconnect(reason, at_once=at_once)

    def ping_interval_changed(self) -> None:
        if self._link is not None:
            self._link.ping_interval_changed()

    @property
    def last_error(self) -> str | None:
        return self._link.last_error if self._link is not None else None

    @property
    def state(self) -> LinkState:
        return self._link.state if self._link is not None else LinkState.IDLE

    async def close(self) -> None:
        self._over = True
        self._plugged.set()
        await self._unlink()

    async def _unlink(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def pull(self) -> None:
        """Offline, as if somebody had pulled the network cable."""
        self._plugged.clear()
        await self._unlink()
        if self._open:
            self.on_closed("the network cable is unplugged")

    def push(self) -> None:
        self._plugged.set()

    def on_open(self, subprotocol: str) -> None:
        self._open = True
        self._hooks.on_open(subprotocol)

    def on_text(self, text: str) -> None:
        self._hooks.on_text(text)

    def on_failed(self, trouble: Trouble) -> None:
        self._hooks.on_failed(trouble)

    def on_closed(self, reason: str) -> None:
        if self._open:
            self._open = False
            self._hooks.on_closed(reason)
