"""The end of a run towards a foreign CSMS: with a temporary database nobody will come back to finish what still runs."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from hal.errors import HalError
from station.sim.lab import Lab

__all__ = ["farewell"]

WITHIN_S = 5.0
LOOK_S = 0.05


async def farewell(lab: Lab) -> None:
    """Let the cars leave, so that their transactions end, and wait (real seconds) until the CSMS has been told.

    Only where nothing is kept: in a folder (--store) the next run closes them, and the embedded CSMS ends with us. A station without
    power, or without a connection, is left as it is.
    """
    settings = lab.settings
    if settings.csms_url is None or settings.folder is not None or lab.app is None:
        return
    if not lab.app.client.online or not _running(lab):
        return
    lab.set_speed(max(settings.speed or 1.0, 1.0))  # time may stand still
    for evse in _running(lab):
        with suppress(HalError):  # a car that has left already
            lab.unplug(evse, at_car=True)
    loop = asyncio.get_running_loop()
    over = loop.time() + WITHIN_S
    while _busy(lab):
        if loop.time() >= over:
            return
        await asyncio.sleep(LOOK_S)


def _running(lab: Lab) -> list[int]:
    return [view.evse for view in lab.view().evses if view.transaction is not None]


def _busy(lab: Lab) -> bool:
    app = lab.app
    return app is not None and app.client.online and bool(_running(lab) or len(app.client.records))
