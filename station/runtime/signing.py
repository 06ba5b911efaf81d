"""Asking the CSMS for a certificate (A02, A03): new key, SignCertificate, and again after doubled pauses until CertificateSigned comes.

One `Signing` per kind of certificate. It runs as a job, so a restart goes on with it: the store keeps the new key and its request,
the job's row how often that was sent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Protocol

from station.errors import LinkError, SecurityError
from station.runtime.gateway import Scheduler
from station.runtime.jobs import JobRun
from station.security.api import LeafKind

__all__ = ["SIGN", "Ending", "SignPort", "Signing"]

SIGN = "sign-certificate"
"""Kind of the jobs."""

_log = logging.getLogger("station.certificates")


class SignPort(Protocol):
    """The way to the CSMS (`station.ocpp.client.OcppClient`)."""

    @property
    def online(self) -> bool: ...

    def sign_certificate(self, csr_pem: str, kind: LeafKind) -> asyncio.Future[str]:
        """Accepted or Rejected; fails with LinkError without a link or an answer."""


class Ending(Enum):
    """How a request ended."""

    SIGNED = "signed"  # the certificate came and is good
    INVALID = "invalid"  # one came that is not (A02.FR.07), so none is asked for any more (A02.FR.20)
    REFUSED = "refused"  # the CSMS said Rejected to SignCertificate
    GIVEN_UP = "given up"  # asked often enough (A02.FR.19)
    FAILED = "failed"  # no key or no request could be made


class _Unsent(Exception):  # noqa: N818 - no error: the link was lost, so it does not count
    """The request has not reached the CSMS as far as we know."""


class Signing:
    """The request for one kind of certificate, when there is one. Everything is called in the loop.

    request: gives the request (PEM) that is open in the store; one for a new key when there is none, or when told so (True). Works in
    a worker thread, raises SecurityError. port: the way to the CSMS.
    wait_minimum_s, repeat_times: CertSigningWaitMinimum and CertSigningRepeatTimes, looked up every time.
    """

    __slots__ = (
        "_again",
        "_kind",
        "_port",
        "_prompted",
        "_repeat_times",
        "_request",
        "_scheduler",
        "_verdict",
        "_wait_minimum_s",
        "_waiting",
    )

    def __init__(
        self,
        kind: LeafKind,
        port: SignPort,
        scheduler: Scheduler,
        request: Callable[[bool], Awaitable[str]],
        wait_minimum_s: Callable[[], float],
        repeat_times: Callable[[], int],
    ) -> None:
        self._kind = kind
        self._port = port
        self._scheduler = scheduler
        self._request = request
        self._wait_minimum_s = wait_minimum_s
        self._repeat_times = repeat_times
        self._verdict: Ending | None = None
        self._again = False
        self._prompted = False
        self._waiting: asyncio.Future[None] | None = None

    # --- what happens meanwhile -----------------------------------------------------------------------------------------

    def prompt(self) -> None:
        """The CSMS wants a request: an open one begins anew with another key (A02.FR.02).

        Its first message may leave before the CSMS has accepted us (B02.FR.02).
        """
        self._again = self._prompted = True
        self._wake()

    def answered(self, *, valid: bool) -> None:
        """CertificateSigned has come."""
        self._verdict = Ending.SIGNED if valid else Ending.INVALID
        self._wake()

    def link_up(self) -> None:
        """The CSMS has accepted us."""
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # --- the job --------------------------------------------------------------------------------------------------------

    async def run(self, run: JobRun) -> Ending:
        """From where the job's row says that it was, to the end."""
        self._verdict = None
        try:
            while True:
                fresh, self._again = self._again or "sent" not in run.state, False
                csr = await self._request(fresh)
                if fresh:
                    run.keep({"sent": 0})
                ending = await self._ask(run, csr)
                if ending is not None:
                    return ending
        except SecurityError as error:
            _log.error("no %s can be asked for: %s", self._kind.value, error)
            return Ending.FAILED

    async def _ask(self, run: JobRun, csr: str) -> Ending | None:
        """One request to its end; None: another is wanted."""
        sent = int(run.state["sent"])
        while not self._over():
            try:
                answer = await self._send(csr)
            except _Unsent:
                continue
            if self._over():
                break
            if answer == "Rejected":
                _log.warning("the CSMS does not have our %s signed", self._kind.value)
                return Ending.REFUSED
            sent += 1
            run.keep({"sent": sent})
            await self._pause(self._wait_minimum_s() * 2.0 ** (sent - 1))  # A02.FR.17, FR.18
            if not self._over() and sent > self._repeat_times():  # A02.FR.19
                _log.warning("the CSMS brings no %s; it was asked %d times", self._kind.value, sent)
                return Ending.GIVEN_UP
        return self._verdict

    def _over(self) -> bool:
        return self._verdict is not None or self._again

    async def _send(self, csr: str) -> str:
        """The CSMS's answer; without one (it may not know the message) it is asked again as if it had accepted.

        Raises _Unsent.
        """
        prompted, self._prompted = self._prompted, False
        while not prompted and not self._port.online:
            await self._wait()
            if self._over():
                raise _Unsent
        try:
            return await self._port.sign_certificate(csr, self._kind)
        except LinkError as error:
            _log.warning("%s: %s", self._kind.value, error)
            if not self._port.online:
                raise _Unsent from error
            return ""

    async def _pause(self, seconds: float) -> None:
        """So long on the station's clock, or until it is over."""
        end = self._scheduler.time() + seconds
        while self._scheduler.time() < end and not self._over():
            timer = self._scheduler.call_at(end, self._wake)
            try:
                await self._wait()
            finally:
                timer.cancel()

    async def _wait(self) -> None:
        self._waiting = asyncio.get_running_loop().create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None
