"""Requests of the station that somebody waits for and that are never kept for later: DataTransfer (P02), SignCertificate (A02)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from station.errors import LinkError
from station.ocpp.delivery import Delivery
from station.ocpp.dialect import Dialect, Frame, Payload
from station.security.api import LeafKind

T = TypeVar("T")


def request(
    dialect: Dialect | None,
    delivery: Delivery,
    what: str,
    frame: Callable[[Dialect], Frame],
    read: Callable[[Dialect, Payload], T],
) -> asyncio.Future[T]:
    """Send it in its turn; the future gives what `read` makes of the answer. `what`: its name for people.

    The future fails with LinkError without a link (`dialect` None) or without an answer. Raises what `frame` raises.
    """
    answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    if dialect is None:
        answer.set_exception(LinkError(f"no link to the CSMS: {what} was not sent"))
        return answer

    def done(payload: Payload | None) -> None:
        if answer.cancelled():
            return
        if payload is None:
            answer.set_exception(LinkError(f"the CSMS did not answer {what}"))
        else:
            answer.set_result(read(dialect, payload))

    delivery.send(frame(dialect), done)
    return answer


def transfer(
    dialect: Dialect | None, delivery: Delivery, vendor: str, message: str | None, data: Any
) -> asyncio.Future[tuple[str, Any]]:
    """DataTransfer: status and data of the answer. Raises ValueError for a name over its length."""
    return request(
        dialect,
        delivery,
        f"DataTransfer {vendor}",
        lambda spoken: spoken.data_transfer(vendor, message, data),
        lambda spoken, payload: spoken.data_transfer_answer(payload),
    )


def sign_certificate(dialect: Dialect | None, delivery: Delivery, csr_pem: str, kind: LeafKind) -> asyncio.Future[str]:
    """SignCertificate: Accepted or Rejected."""
    return request(
        dialect,
        delivery,
        "SignCertificate",
        lambda spoken: spoken.sign_certificate(csr_pem, kind),
        lambda spoken, payload: spoken.sign_certificate_answer(payload),
    )
