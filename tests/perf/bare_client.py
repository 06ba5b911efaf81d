"""The least program that tells a CSMS of its boot: websockets and json. Stays until it is killed.

`python bare_client.py URL`
"""

from __future__ import annotations

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol


async def main(url: str) -> None:
    payload = {"reason": "PowerUp", "chargingStation": {"vendorName": "Pilotwire", "model": "Bare"}}
    subprotocols = [Subprotocol("ocpp2.0.1")]
    async with connect(f"{url}/CS001", subprotocols=subprotocols, compression=None, proxy=None) as connection:
        await connection.send(json.dumps([2, "1", "BootNotification", payload]))
        json.loads(await connection.recv())
        await connection.wait_closed()


asyncio.run(main(sys.argv[1]))
