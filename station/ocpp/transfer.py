"""DataTransfer from the station to the CSMS (P02): for what OCPP has no message for, and never kept for later."""

from __future__ import annotations

import asyncio
from typing import Any

from station.errors import LinkError
from station.ocpp.delivery import Delivery
from station.ocpp.dialect import Dialect


def transfer(
    dialect: Dialect | None, delivery: Delivery, vendor: str, message: str | None, data: Any
) -> asyncio.Future[tuple[str, Any]]:
    """Send it in its turn; the future gives status and data of the answer.

    The future fails with LinkError without a link (`dialect` None) or without an answer. Raises ValueError for a name over its length.
    """
    answer: asyncio.Future[tuple[str, Any]] = asyncio.get_running_loop().create_future()
    if dialect is None:
        answer.set_exception(LinkError(f"no link to the CSMS: DataTransfer {vendor} was not sent"))
        return answer

    def done(payload: dict[str, Any] | None) -> None:
        if answer.cancelled():
            return
        if payload is None:
            answer.set_exception(LinkError(f"the CSMS did not answer DataTransfer {vendor}"))
        else:
            answer.set_result(dialect.data_transfer_answer(payload))

    delivery.send(dialect.data_transfer(vendor, message, data), done)
    return answer
