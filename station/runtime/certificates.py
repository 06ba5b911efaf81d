"""The certificates of a running station: what a CSMS does with them, the requests for our own, and when to change to another.

`CertificateManager` is the loop's side of `station.security.certstore`: every piece of work that touches files or keys runs in a worker
thread, and its result comes back into the loop. A station that never uses certificates never opens the store, nor imports it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from station.clock import Now, iso
from station.core.effects import Effect
from station.core.events import ClockStepped, CredentialsChanged, Event, LinkUp, SecurityNoted
from station.errors import SecurityError
from station.runtime.certificate_settings import CertificateSettings, Core, open_files, opener
from station.runtime.gateway import Scheduler, TimerHandle
from station.runtime.jobs import JobRun, Jobs
from station.runtime.signing import SIGN, Ending, Signing, SignPort
from station.runtime.standing import Standing, standing_of
from station.security.api import CertificateUse, HashData, Installed, LeafKind, Outcome
from station.security.csr import Subject
from station.store.ops import Json

if TYPE_CHECKING:
    from station.security.certstore import CertStore

__all__ = ["CertificateManager", "CertificateSettings", "Core", "open_files", "opener"]

LOOK_EVERY_S = 86_400.0
LOOK_SOON_S = 1.0  # a moment that has come, after a clock that may be a little behind
MOST = 32  # certificates, where no variable tells
MAX_RESTARTS = 100
"""How many starts of the station a request for a certificate may take."""
INVALID = "InvalidChargingStationCertificate"
DISCARDED = "DiscardedRenewedClientCertificate"
RECONFIGURED = "ReconfigurationOfSecurityParameters"

T = TypeVar("T")
_Settled = tuple[tuple[str, ...], Mapping[LeafKind, float]]
Work = Callable[["CertStore", float | None], T]
"""Work in the store, in a worker thread. The time is wall seconds, None while the clock is not known."""

_log = logging.getLogger("station.certificates")


class CertificateManager:
    """`station.ocpp.dialect.CertificatePort` of one station. Used in the loop only.

    csms_chain: what vouched for the CSMS of the last connection, as DER.
    on_station_certificate_changed: called when another certificate of our own is to be used towards the CSMS (A02.FR.08), after the
    CSMS has its answer.
    """

    __slots__ = (
        "_core",
        "_dead",
        "_jobs",
        "_known",
        "_opening",
        "_port",
        "_scheduler",
        "_settings",
        "_signings",
        "_spent",
        "_store",
        "_tasks",
        "_threads",
        "_timer",
        "_turn",
        "csms_chain",
        "on_station_certificate_changed",
        "standing",
    )

    def __init__(
        self, settings: CertificateSettings, core: Core, jobs: Jobs, scheduler: Scheduler, port: SignPort
    ) -> None:
        self._settings = settings
        self._core = core
        self._jobs = jobs
        self._scheduler = scheduler
        self._store: CertStore | None = None
        self._opening = threading.Lock()
        self._turn: asyncio.Lock | None = None  # made when the store is first used
        self._tasks: set[asyncio.Task[None]] = set()
        self._threads: set[asyncio.Future[Any]] = set()
        self._timer: TimerHandle | None = None
        self._known = False
        self._dead = False
        self._spent: dict[LeafKind, float | None] = {}
        self.standing = Standing()
        self.csms_chain: tuple[bytes, ...] = ()
        self.on_station_certificate_changed: Callable[[], None] = lambda: None
        jobs.register(SIGN, self._sign, max_attempts=MAX_RESTARTS)
        self._port = port
        self._signings: dict[LeafKind, Signing] = {}

    def _signing(self, kind: LeafKind) -> Signing:
        """Made when it is first needed: most stations never ask for a certificate."""
        if kind not in self._signings:
            self._signings[kind] = self._new_signing(kind)
        return self._signings[kind]

    def _new_signing(self, kind: LeafKind) -> Signing:
        return Signing(
            kind,
            self._port,
            self._scheduler,
            lambda fresh: self._request(kind, fresh=fresh),
            lambda: float(self._core.model.integer("SecurityCtrlr", "CertSigningWaitMinimum")),
            lambda: self._core.model.integer("SecurityCtrlr", "CertSigningRepeatTimes"),
        )

    # --- life -----------------------------------------------------------------------------------------------------------

    @property
    def in_use(self) -> bool:
        """Whether there is a store: it is open, or an earlier run has left its folder, or an installer has."""
        return self._turn is not None or self._settings.folder.is_dir()

    def start(self) -> None:
        """Tell the core what is there, if anything; renew what ends soon (A03). Before `Jobs.restore`."""
        if self.in_use:
            self.look()

    async def close(self) -> None:
        """Nothing is reported any more; waits for what is being written."""
        self._dead = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._threads:
            await asyncio.wait(self._threads)

    async def ask(self, work: Work[T]) -> T:
        """Do this in a worker thread; one piece of work after the other. Raises SecurityError and what `work` raises."""
        async with self._begin():
            now = self._core.now()
            thread: asyncio.Future[T] = asyncio.get_running_loop().run_in_executor(
                None, self._with_store, work, now.wall if now.trusted else None
            )
            self._threads.add(thread)
            thread.add_done_callback(self._threads.discard)
            return await asyncio.shield(thread)

    def _begin(self) -> asyncio.Lock:
        if self._turn is None:
            self._turn = asyncio.Lock()
            self._core.listen(self._happened)
        return self._turn

    def from_thread(self, work: Work[T], wall: float | None) -> T:
        """Do this at once, for somebody who is in a worker thread already. Raises SecurityError and what `work` raises."""
        return self._with_store(work, wall)

    def root_worked(self) -> None:
        """The CSMS was reached by the roots that are installed: the one that the newest has replaced is done with (M05.FR.13)."""
        if self.in_use:
            self._do(
                lambda store, _wall: store.confirm_root() if store.has_fallback() else None, lambda _none: None, None
            )

    def certificate_worked(self, label: str | None, *, newer_failed: bool) -> None:
        """The CSMS was reached with this station certificate, None: with the operator's file (A02.FR.10)."""

        def settle(store: CertStore, wall: float | None) -> _Settled:
            return store.settle(label, wall, newer_failed=newer_failed), standing_of(store, wall).renew

        def discarded(result: _Settled) -> None:
            for name in result[0] if newer_failed else ():
                # A02.FR.29, A03.FR.25: now the CSMS knows, and asks us for another when it can do better.
                self._core.submit(SecurityNoted(DISCARDED, f"{name}: no connection with it"))
                self._spent.update(result[1])

        nothing: _Settled = ((), {})
        self._do(settle, lambda _result: None, nothing, first=discarded, reconnect=False)

    def _with_store(self, work: Work[T], wall: float | None) -> T:
        """In a worker thread."""
        with self._opening:
            if self._store is None:
                self._store = self._settings.open_store(self._settings.folder, self._limit())
        return work(self._store, wall)

    def _limit(self) -> int:
        """M05.FR.06: CertificateEntries.maxLimit."""
        entries = self._core.model.find("SecurityCtrlr", "CertificateEntries")
        return MOST if entries is None or entries.max_limit is None else int(entries.max_limit)

    def _do(
        self,
        work: Work[T],
        done: Callable[[T], None],
        failed: T,
        *,
        first: Callable[[T], None] = lambda _result: None,
        reconnect: bool = True,
    ) -> None:
        """Do this, look what the store holds afterwards, and report in the loop: `first`, then to the core, then to `done`."""

        def work_and_look(store: CertStore, wall: float | None) -> tuple[T, Standing]:
            result = work(store, wall)
            return result, standing_of(store, wall)

        async def run() -> None:
            result, standing = failed, None
            try:
                result, standing = await self.ask(work_and_look)
            except SecurityError as error:
                _log.error("certificates: %s", error)
            if self._dead:
                return
            first(result)
            changed = standing is not None and self._take(standing)
            done(result)
            if changed and reconnect:
                self.on_station_certificate_changed()

        self._begin()  # from now on there is something to ask for, even if that is still to be written
        task = asyncio.get_running_loop().create_task(run(), name="certificates")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- CertificatePort ------------------------------------------------------------------------------------------------

    def install(self, use: CertificateUse, pem: str, done: Callable[[Outcome], None]) -> None:
        """M05."""
        checked = self._core.model.boolean("SecurityCtrlr", "AdditionalRootCertificateCheck")

        def reported(outcome: Outcome) -> None:
            self._changed(outcome, f"{use.value} installed")
            done(outcome)

        self._do(
            lambda store, wall: store.install(use, pem, wall, additional_root_check=checked), reported, _NOT_STORED
        )

    def delete(self, which: HashData, done: Callable[[Outcome], None], *, keep_in_use: bool = False) -> None:
        """M04. Over TLS the last root of the CSMS stays: without it there would never be a connection again."""
        if not self.in_use:
            done(Outcome("NotFound"))
            return
        over_tls = self._core.model.integer("SecurityCtrlr", "SecurityProfile") >= 2

        def reported(outcome: Outcome) -> None:
            self._changed(outcome, f"certificate {which.serial_number} deleted")
            done(outcome)

        chain = self.csms_chain if keep_in_use else ()
        self._do(lambda store, _wall: store.delete(which, keep_csms_root=over_tls, in_use=chain), reported, _NOT_STORED)

    def installed(self, uses: frozenset[CertificateUse] | None, done: Callable[[tuple[Installed, ...]], None]) -> None:
        """M03. Asking does not make a store."""
        if self.in_use:
            nothing: tuple[Installed, ...] = ()
            self._do(lambda store, _wall: store.installed(uses), done, nothing)
        else:
            done(())

    def signed(self, chain_pem: str, kind: LeafKind | None, done: Callable[[Outcome], None]) -> None:
        """A02: the certificate for our request has come, or so the CSMS says."""
        meant = kind if kind is not None else self._open_kind()
        most = self._core.model.integer("SecurityCtrlr", "MaxCertificateChainSize")

        def reported(outcome: Outcome) -> None:
            self._signed(meant, outcome)
            done(outcome)

        self._do(lambda store, wall: store.signed(meant, chain_pem, wall, max_size=most), reported, _NOT_SIGNED)

    def sign(self, kind: LeafKind) -> Outcome:
        """A02: the CSMS wants us to ask for a certificate; whatever was given up before is begun anew."""
        if refusal := self._hindrance(kind):
            return refusal
        self._signing(kind).prompt()
        self._start_signing(kind)
        return Outcome("Accepted")

    def _open_kind(self) -> LeafKind:
        """Which certificate a CSMS means that does not say: the one that we wait for."""
        v2g_only = _job(LeafKind.V2G) in self._jobs.running and _job(LeafKind.STATION) not in self._jobs.running
        return LeafKind.V2G if v2g_only else LeafKind.STATION

    def _signed(self, kind: LeafKind, outcome: Outcome) -> None:
        self._changed(outcome, f"{kind.value} renewed")
        if outcome.status == "Accepted":
            self._signing(kind).answered(valid=True)
        elif outcome.reason not in {"TooLargeElement", "InternalError"}:
            # A02.FR.07. Too long (A02.FR.16) or not to be stored says nothing of the certificate: it is still waited for.
            self._signing(kind).answered(valid=False)
            self._core.submit(SecurityNoted(INVALID, f"{kind.value}: {outcome.info}"))

    def _changed(self, outcome: Outcome, what: str) -> None:
        if outcome.status == "Accepted":
            if outcome.changed:
                self._core.submit(SecurityNoted(RECONFIGURED, what))
        elif outcome.info:
            _log.warning("certificate not accepted: %s", outcome.info)

    # --- requests for our own -------------------------------------------------------------------------------------------

    def _hindrance(self, kind: LeafKind) -> Outcome | None:
        """Why no certificate of this kind can be asked for; None when it can."""
        if kind is LeafKind.V2G and not self._core.model.boolean("ISO15118Ctrlr", "V2GCertificateInstallationEnabled"):
            return Outcome("Rejected", "NotEnabled", "ISO15118Ctrlr.V2GCertificateInstallationEnabled is false")
        try:
            self._subject(kind)
        except SecurityError as error:  # A02: OrganizationName (and for V2G SeccId) must be set
            _log.warning("no %s can be asked for: %s", kind.value, error)
            return Outcome("Rejected", "MissingDevModelInfo", str(error))
        return None

    def _subject(self, kind: LeafKind) -> Subject:
        """Raises SecurityError that names what is missing."""
        model = self._core.model
        operator = model.text("SecurityCtrlr", "OrganizationName")
        if kind is LeafKind.STATION:
            return Subject(self._settings.common_name, operator)
        return Subject(
            common_name=model.text("ISO15118Ctrlr", "SeccId"),
            organisation=model.text("ISO15118Ctrlr", "OrganizationName") or operator,
            country=model.text("ISO15118Ctrlr", "CountryName") or None,
            v2g=True,
        )

    async def _request(self, kind: LeafKind, *, fresh: bool) -> str:
        """Raises SecurityError."""
        subject, algorithm = self._subject(kind), self._settings.algorithm

        def work(store: CertStore, _wall: float | None) -> str:
            waiting = None if fresh else store.pending_request(kind)
            return waiting or store.request(kind, subject, algorithm)

        return await self.ask(work)

    def _start_signing(self, kind: LeafKind) -> None:
        if _job(kind) not in self._jobs.running:
            self._jobs.start(_job(kind), SIGN, {"kind": kind.value})

    async def _sign(self, run: JobRun) -> Json:
        """The job. Raises ValueError for a row that names no kind of ours."""
        kind = LeafKind(run.arguments["kind"])
        self._begin()
        ending = await self._signing(kind).run(run)
        if ending is not Ending.SIGNED:
            # Not again for the certificate that we have, unless the CSMS asks (A02.FR.19, FR.20) or the station restarts.
            self._spent[kind] = self.standing.renew.get(kind)
        if ending is Ending.REFUSED:
            await self.ask(lambda store, _wall: store.forget_request(kind))
        return {"ending": ending.value}

    # --- what time brings -----------------------------------------------------------------------------------------------

    def look(self) -> None:
        """See what is in the store now: files may have changed, time may have passed."""
        self._do(lambda store, wall: None if wall is None else store.tidy(wall), lambda _nothing: None, None)

    def _take(self, standing: Standing) -> bool:
        """Tell the core; whether another station certificate is to be used than before."""
        before, self.standing = self.standing, standing
        first, self._known = not self._known, True
        if first or standing.credentials != before.credentials:
            self._core.submit(CredentialsChanged(standing.credentials))
        self._plan()
        return not first and standing.in_use is not None and standing.in_use != before.in_use

    def _plan(self) -> None:
        """Renew what ends within a month (A03.FR.02), and come back when something is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = self._core.now()
        if not self.standing.renew or not now.trusted or self._dead:
            return  # nothing to watch, or no time to watch it by: ClockStepped brings us back
        moments = [] if self.standing.changes is None else [self.standing.changes]
        for kind, due in self.standing.renew.items():
            if due > now.wall:
                moments.append(due)
            else:
                self._renew(kind, due)
        wait = min([moment - now.wall for moment in moments], default=LOOK_EVERY_S)
        wait = min(max(wait, LOOK_SOON_S), LOOK_EVERY_S)
        self._timer = self._scheduler.call_at(self._scheduler.time() + wait, self.look)

    def _renew(self, kind: LeafKind, due: float) -> None:
        if self._spent.get(kind) == due or _job(kind) in self._jobs.running:
            return
        if self._hindrance(kind):
            self._spent[kind] = due
            return
        _log.info("our %s ends soon (to be renewed since %s): asking for another", kind.value, iso(due))
        self._start_signing(kind)

    def _happened(self, event: Event | None, _effects: list[Effect], _now: Now) -> None:
        """The gateway's listener, in the middle of a turn: everything else follows after it."""
        if self._dead:
            return
        match event:
            case LinkUp():
                for signing in self._signings.values():
                    asyncio.get_running_loop().call_soon(signing.link_up)
            case ClockStepped():
                self.look()
            case _:
                pass


_NOT_STORED = Outcome("Failed", "InternalError", "the certificate store cannot be used")
_NOT_SIGNED = Outcome("Rejected", "InternalError", "the certificate store cannot be used")


def _job(kind: LeafKind) -> str:
    return f"{SIGN}-{kind.value}"
