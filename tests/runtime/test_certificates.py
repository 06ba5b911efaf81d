"""The certificate manager around a real store and a real PKI, on virtual time. On the wire: tests/conformance."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from station.clock import Clock, Now
from station.core.components import standard_definitions
from station.core.device_model import DeviceModel, VariableKey
from station.core.events import ClockStepped, CredentialsChanged, Event, LinkUp, SecurityNoted
from station.core.types import Credentials, EvseInfo
from station.errors import LinkError, SecurityError
from station.runtime.certificates import CertificateManager, CertificateSettings
from station.runtime.gateway import Listener
from station.runtime.jobs import JOB, Jobs
from station.runtime.signing import SIGN
from station.security import certificates
from station.security.api import CertificateUse, Installed, LeafKind, Outcome
from station.security.testpki import TestPki
from station.sim.loop import VirtualLoop
from station.sim.loop import run as run_virtual
from station.store.sqlite import SqliteStore

DAY = 86_400.0
ROOT = CertificateUse.CSMS_ROOT


class Core:
    """The gateway as the manager sees it: collects what is submitted."""

    def __init__(self, clock: Clock) -> None:
        self.model = DeviceModel(standard_definitions((EvseInfo(1),), {"SecurityCtrlr.OrganizationName": "Operator"}))
        self.clock = clock
        self.events: list[Event] = []
        self.listeners: list[Listener] = []

    def now(self) -> Now:
        return self.clock.now()

    def submit(self, event: Event) -> None:
        self.events.append(event)

    def listen(self, listener: Listener) -> None:
        self.listeners.append(listener)

    def happens(self, event: Event) -> None:
        for listener in self.listeners:
            listener(event, [], self.now())

    def noted(self, kind: str) -> list[str | None]:
        return [event.info for event in self.events if isinstance(event, SecurityNoted) and event.kind == kind]

    @property
    def credentials(self) -> list[Credentials]:
        return [event.credentials for event in self.events if isinstance(event, CredentialsChanged)]


class Csms:
    """Says Accepted to every request, and keeps them."""

    def __init__(self) -> None:
        self.online = True
        self.answer: str | None = "Accepted"
        self.requests: list[tuple[float, LeafKind, str]] = []

    def sign_certificate(self, csr_pem: str, kind: LeafKind) -> asyncio.Future[str]:
        loop = asyncio.get_running_loop()
        self.requests.append((loop.time(), kind, csr_pem))
        future = loop.create_future()
        if self.answer is None:
            future.set_exception(LinkError("no answer"))
        else:
            future.set_result(self.answer)
        return future


@dataclass
class Bench:
    """One station's certificates."""

    folder: Path
    clock: Clock
    store: SqliteStore
    pki: TestPki
    csms: Csms = field(default_factory=Csms)
    changes: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """The program starts."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        self.core = Core(self.clock)
        self.reports: list[Any] = []
        self.jobs = Jobs(self.store, self.reports.append)
        self.manager = CertificateManager(
            CertificateSettings(self.folder, "SN-1"), self.core, self.jobs, loop, self.csms
        )
        self.manager.on_station_certificate_changed = lambda: self.changes.append(loop.time())
        self.manager.start()
        self.jobs.restore(self.store.rows().get(JOB, {}))

    async def end(self) -> None:
        await self.manager.close()
        await self.jobs.close()

    async def restart(self) -> None:
        await self.end()
        self.begin()
        await self.rest()

    async def rest(self, seconds: float = 0.5) -> None:
        await asyncio.sleep(seconds)

    async def got(self, ask: Callable[..., None], *arguments: Any) -> Any:
        """What `done` is called with, exactly once."""
        answers: list[Any] = []
        ask(*arguments, answers.append)
        await self.rest()
        assert len(answers) == 1
        return answers[0]

    async def install(self, use: CertificateUse = ROOT, name: str = "csms/root") -> Outcome:
        outcome: Outcome = await self.got(self.manager.install, use, self.pki.get(name).pem)
        return outcome

    async def signed(self, kind: LeafKind | None = LeafKind.STATION, **how: Any) -> Outcome:
        """The CSMS has the newest request signed."""
        _, asked, csr = self.csms.requests[-1]
        chain = self.pki.sign_station_csr(csr, kind=asked, **how)
        outcome: Outcome = await self.got(self.manager.signed, chain, kind)
        return outcome

    async def own(self, **how: Any) -> None:
        """The station has a certificate of its own."""
        await self.install()
        assert self.manager.sign(LeafKind.STATION).status == "Accepted"
        await self.rest()
        assert (await self.signed(**how)).status == "Accepted"
        self.csms.requests.clear()
        self.core.events.clear()


Case = Callable[[Bench], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Case], None]:
    async def main(case: Case) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        store = SqliteStore.open(":memory:", threaded=False, now_wall=lambda: 0.0)
        clock = loop.clock()
        bench = Bench(tmp_path / "certificates", clock, store, TestPki(clock.now().wall, organisation="Operator"))
        try:
            await case(bench)
        finally:
            await bench.end()
            store.close()

    return lambda case: run_virtual(main(case))


# --- the store --------------------------------------------------------------------------------------------------------


def test_a_station_that_never_uses_certificates_has_no_store(play):
    async def case(bench: Bench) -> None:
        assert await bench.got(bench.manager.installed, None) == ()
        root = bench.pki.csms_root.certificate
        assert await bench.got(bench.manager.delete, certificates.hash_data(root, root)) == Outcome("NotFound")
        await bench.rest(100 * DAY)
        assert not bench.manager.in_use
        assert not bench.folder.exists()
        assert bench.core.events == []
        assert bench.core.listeners == []

    play(case)


def test_roots_are_installed_listed_and_deleted(play):  # M03, M04, M05
    async def case(bench: Bench) -> None:
        assert (await bench.install()).status == "Accepted"
        assert (await bench.install(CertificateUse.MANUFACTURER_ROOT, "manufacturer/root")).status == "Accepted"
        assert bench.core.credentials == [Credentials(csms_roots=1, entries=1), Credentials(csms_roots=1, entries=2)]
        found = await bench.got(bench.manager.installed, frozenset({ROOT}))
        root = bench.pki.csms_root.certificate
        assert found == (Installed(ROOT, certificates.hash_data(root, root)),)
        assert len(await bench.got(bench.manager.installed, None)) == 2
        assert (await bench.got(bench.manager.delete, found[0].hash)).status == "Accepted"
        assert (await bench.got(bench.manager.delete, found[0].hash)).status == "NotFound"
        assert bench.core.credentials[-1] == Credentials(entries=1)
        assert bench.core.noted("ReconfigurationOfSecurityParameters") == [
            "CSMSRootCertificate installed",
            "ManufacturerRootCertificate installed",
            f"certificate {found[0].hash.serial_number} deleted",
        ]

    play(case)


def test_the_core_hears_before_the_answer_leaves(play):
    """What the CSMS asks for next (a higher security profile) is judged by what it has just installed."""

    async def case(bench: Bench) -> None:
        known: list[int] = []
        bench.manager.install(ROOT, bench.pki.csms_root.pem, lambda _outcome: known.append(len(bench.core.credentials)))
        await bench.rest()
        assert known == [1]

    play(case)


def test_a_bad_root_is_refused_with_the_reason(play):  # M05.FR.07
    async def case(bench: Bench) -> None:
        outcome = await bench.install(name="bad/root-expired")
        assert (outcome.status, outcome.reason) == ("Rejected", "InvalidCertificate")
        assert bench.core.noted("ReconfigurationOfSecurityParameters") == []

    play(case)


def test_over_tls_the_last_root_stays(play):  # M04.FR.03
    async def case(bench: Bench) -> None:
        await bench.install()
        await bench.install(name="csms/other-root")
        bench.core.model.compute(VariableKey("SecurityCtrlr", "SecurityProfile"), lambda: "2")
        first, second = await bench.got(bench.manager.installed, None)
        assert (await bench.got(bench.manager.delete, first.hash)).status == "Accepted"
        assert (await bench.got(bench.manager.delete, second.hash)).status == "Failed"
        bench.core.model.compute(VariableKey("SecurityCtrlr", "SecurityProfile"), lambda: "1")
        assert (await bench.got(bench.manager.delete, second.hash)).status == "Accepted"

    play(case)


def test_the_root_that_the_connection_rests_on_stays_where_the_version_says_so(play):  # 1.6 M04.FR.06
    async def case(bench: Bench) -> None:
        await bench.install()
        await bench.install(name="csms/other-root")
        bench.manager.csms_chain = tuple(
            one.certificate.public_bytes(Encoding.DER) for one in (bench.pki.server, bench.pki.csms_root)
        )
        used, other = (
            certificates.hash_data(one, one)
            for one in (bench.pki.csms_root.certificate, bench.pki.get("csms/other-root").certificate)
        )
        keeping = partial(bench.manager.delete, keep_in_use=True)
        refused = await bench.got(keeping, used)
        assert (refused.status, refused.info) == (
            "Failed",
            "it is the CSMS root certificate that the connection rests on",
        )
        assert (await bench.got(keeping, other)).status == "Accepted"
        bench.manager.csms_chain = ()  # over ws:// nothing rests on it
        assert (await bench.got(keeping, used)).status == "Accepted"

    play(case)


def test_a_root_that_another_in_the_chain_stands_in_for_may_go(play):  # after a change of roots (M05.FR.12)
    async def case(bench: Bench) -> None:
        old, new = bench.pki.csms_root, bench.pki.get("csms/next-root")
        await bench.install()
        await bench.install(name="csms/next-root")
        bench.manager.csms_chain = tuple(one.certificate.public_bytes(Encoding.DER) for one in (new, old))
        keeping = partial(bench.manager.delete, keep_in_use=True)
        assert (await bench.got(keeping, certificates.hash_data(old.certificate, old.certificate))).status == "Accepted"
        left = certificates.hash_data(new.certificate, old.certificate)
        assert (await bench.got(keeping, left)).status == "Failed"

    play(case)


def test_a_new_root_must_be_signed_by_the_old_one_if_the_operator_says_so(play):  # M05.FR.09 to FR.13
    async def case(bench: Bench) -> None:
        check = VariableKey("SecurityCtrlr", "AdditionalRootCertificateCheck")
        bench.core.model.put(check, "true")
        await bench.install()
        assert (await bench.install(name="csms/other-root")).status == "Rejected"
        assert (await bench.install(name="csms/next-root")).status == "Accepted"
        assert await bench.manager.ask(lambda store, _wall: store.has_fallback())
        bench.manager.root_worked()
        await bench.rest()
        assert not await bench.manager.ask(lambda store, _wall: store.has_fallback())

    play(case)


def test_no_more_certificates_than_announced(play):  # M05.FR.06
    async def case(bench: Bench) -> None:
        most = bench.core.model.find("SecurityCtrlr", "CertificateEntries")
        assert most is not None
        assert most.max_limit == 64
        assert await bench.manager.ask(lambda store, _wall: store.limit) == 64

    play(case)


def test_a_store_that_cannot_be_used_fails_every_request(play, caplog):
    async def case(bench: Bench) -> None:
        bench.folder.write_text("not a folder")
        assert (await bench.install()).status == "Failed"
        hashed = certificates.hash_data(bench.pki.csms_root.certificate, bench.pki.csms_root.certificate)
        assert (await bench.got(bench.manager.delete, hashed)).status == "Failed"
        assert (await bench.got(bench.manager.signed, "x", None)).status == "Rejected"
        assert await bench.got(bench.manager.installed, None) == ()
        with pytest.raises(SecurityError):
            await bench.manager.ask(lambda store, _wall: store.count())
        assert bench.manager.sign(LeafKind.STATION).status == "Accepted"  # the CSMS hears no more of it
        await bench.rest()
        assert bench.reports[-1].result == {"ending": "failed"}
        assert bench.core.noted("InvalidChargingStationCertificate") == []

    play(case)
    assert "certificates" in caplog.text


def test_what_an_earlier_run_has_installed_is_told_at_the_start(play):
    async def case(bench: Bench) -> None:
        await bench.install()
        await bench.restart()
        assert bench.core.credentials == [Credentials(csms_roots=1, entries=1)]

    play(case)


def test_what_is_there_already_is_no_reconfiguration(play):  # M05.FR.17, A02
    async def case(bench: Bench) -> None:
        for _ in range(2):
            assert (await bench.install()).status == "Accepted"
        assert bench.core.noted("ReconfigurationOfSecurityParameters") == ["CSMSRootCertificate installed"]

    play(case)


def test_after_the_end_nothing_is_reported(play):
    async def case(bench: Bench) -> None:
        answers: list[Outcome] = []
        bench.manager.install(ROOT, bench.pki.csms_root.pem, answers.append)
        await bench.manager.close()
        await bench.rest()
        assert answers == []
        assert bench.core.events == []

    play(case)


# --- a certificate of our own ---------------------------------------------------------------------------------------


def test_a_request_from_the_trigger_to_the_certificate(play):  # A02
    async def case(bench: Bench) -> None:
        await bench.install()
        bench.core.events.clear()
        assert bench.manager.sign(LeafKind.STATION) == Outcome("Accepted")
        assert bench.csms.requests == []  # A02.FR.02: the answer leaves first
        await bench.rest()
        ((at, kind, _),) = bench.csms.requests
        assert (at, kind) == (0.5, LeafKind.STATION)
        assert await bench.signed() == Outcome("Accepted")
        assert bench.core.credentials == [Credentials(csms_roots=1, station_certificate=True, entries=2)]
        assert bench.core.noted("ReconfigurationOfSecurityParameters") == ["ChargingStationCertificate renewed"]
        assert len(bench.changes) == 1
        assert bench.reports[-1].result == {"ending": "signed"}
        assert bench.store.rows().get(JOB, {}) == {}

    play(case)


def test_the_same_certificate_twice_is_one(play):
    """The answer was lost and the CSMS repeats itself."""

    async def case(bench: Bench) -> None:
        await bench.install()
        bench.manager.sign(LeafKind.STATION)
        await bench.rest()
        chain = bench.pki.sign_station_csr(bench.csms.requests[0][2])
        assert (await bench.got(bench.manager.signed, chain, None)).status == "Accepted"
        assert (await bench.got(bench.manager.signed, chain, LeafKind.STATION)).status == "Accepted"
        assert len(bench.changes) == 1

    play(case)


@pytest.mark.parametrize(
    "how",
    [
        {"issuer": "csms/other-root"},
        {"not_before": 1_600_000_000.0, "days": 10.0},
        {"common_name": "SN-2"},
        {"organisation": "Somebody else"},
    ],
)
def test_a_certificate_that_is_not_valid(play, how):  # A02.FR.06, FR.07, FR.20
    async def case(bench: Bench) -> None:
        await bench.install()
        bench.manager.sign(LeafKind.STATION)
        await bench.rest()
        outcome = await bench.signed(**how)
        assert (outcome.status, outcome.reason) == ("Rejected", "InvalidCertificate")
        (info,) = bench.core.noted("InvalidChargingStationCertificate")
        assert info is not None
        assert info.startswith("ChargingStationCertificate: ")
        assert bench.changes == []
        await bench.rest(10_000.0)
        assert len(bench.csms.requests) == 1
        assert (await bench.signed()).status == "Accepted"  # the right one may still come

    play(case)


def test_a_certificate_that_nobody_asked_for(play):
    async def case(bench: Bench) -> None:
        await bench.install()
        outcome = await bench.got(bench.manager.signed, bench.pki.station("SN-1").chain_pem, LeafKind.STATION)
        assert outcome.status == "Rejected"
        assert len(bench.core.noted("InvalidChargingStationCertificate")) == 1

    play(case)


def test_a_chain_that_is_too_long_is_refused_and_the_certificate_still_awaited(play):  # A02.FR.16
    async def case(bench: Bench) -> None:
        await bench.install()
        bench.core.model.put(VariableKey("SecurityCtrlr", "MaxCertificateChainSize"), "500")
        bench.manager.sign(LeafKind.STATION)
        await bench.rest()
        outcome = await bench.signed()
        assert (outcome.status, outcome.reason) == ("Rejected", "TooLargeElement")
        assert bench.core.noted("InvalidChargingStationCertificate") == []
        await bench.rest(31.0)
        assert len(bench.csms.requests) == 2

    play(case)


def test_no_request_without_a_name_for_the_operator(play):  # A02, prerequisites
    async def case(bench: Bench) -> None:
        bench.core.model.put(VariableKey("SecurityCtrlr", "OrganizationName"), "")
        outcome = bench.manager.sign(LeafKind.STATION)
        assert (outcome.status, outcome.reason) == ("Rejected", "MissingDevModelInfo")
        assert "OrganizationName" in (outcome.info or "")
        await bench.rest()
        assert bench.csms.requests == []

    play(case)


def test_a_certificate_for_vehicles(play):  # TC_A_12
    async def case(bench: Bench) -> None:
        await bench.install(CertificateUse.V2G_ROOT, "iso2/v2g-root")
        assert bench.manager.sign(LeafKind.V2G).reason == "MissingDevModelInfo"  # SeccId
        bench.core.model.put(VariableKey("ISO15118Ctrlr", "SeccId"), "DE*ABC*E1")
        bench.core.model.put(VariableKey("ISO15118Ctrlr", "CountryName"), "DE")
        assert bench.manager.sign(LeafKind.V2G).status == "Accepted"
        await bench.rest()
        assert (await bench.signed(kind=None)).status == "Accepted"  # the CSMS need not say which
        (chain,) = await bench.got(bench.manager.installed, frozenset({CertificateUse.V2G_CHAIN}))
        assert len(chain.children) == 2
        assert bench.changes == []  # not what we show to the CSMS
        bench.core.model.put(VariableKey("ISO15118Ctrlr", "V2GCertificateInstallationEnabled"), "false")
        assert bench.manager.sign(LeafKind.V2G).reason == "NotEnabled"

    play(case)


def test_power_cut_between_key_and_certificate(play):
    """The request in the store is sent again after the restart, and its certificate fits."""

    async def case(bench: Bench) -> None:
        await bench.install()
        bench.manager.sign(LeafKind.STATION)
        await bench.rest()
        await bench.restart()
        await bench.rest()
        first, second = bench.csms.requests
        assert first[2] == second[2]
        assert (await bench.signed()).status == "Accepted"
        assert bench.store.rows().get(JOB, {}) == {}

    play(case)


def test_a_certificate_that_comes_after_it_was_given_up(play):
    async def case(bench: Bench) -> None:
        await bench.install()
        bench.manager.sign(LeafKind.STATION)
        await bench.rest(10_000.0)
        assert len(bench.csms.requests) == 4
        assert bench.reports[-1].result == {"ending": "given up"}
        assert (await bench.signed()).status == "Accepted"

    play(case)


def test_a_refused_request_is_forgotten(play):
    async def case(bench: Bench) -> None:
        await bench.install()
        bench.csms.answer = "Rejected"
        bench.manager.sign(LeafKind.STATION)
        await bench.rest(10_000.0)
        assert len(bench.csms.requests) == 1
        assert await bench.manager.ask(lambda store, _wall: store.pending_request(LeafKind.STATION)) is None

    play(case)


def test_a_job_row_of_another_making(play, caplog):
    async def case(bench: Bench) -> None:
        bench.jobs.start("odd", SIGN, {"kind": "nothing of ours"})
        await bench.rest()
        assert "nothing of ours" in bench.reports[-1].error

    with caplog.at_level(logging.CRITICAL):
        play(case)


# --- what time brings -------------------------------------------------------------------------------------------------


def test_a_certificate_is_renewed_a_month_before_its_end(play):  # A03.FR.02
    async def case(bench: Bench) -> None:
        await bench.own(days=100.0)
        await bench.rest(68.5 * DAY)
        assert bench.csms.requests == []
        await bench.rest(0.6 * DAY)  # it began a day before we had it
        assert len(bench.csms.requests) > 0
        assert (await bench.signed(not_before=bench.clock.now().wall - 60.0)).status == "Accepted"
        assert len(bench.changes) == 2
        before = len(bench.csms.requests)
        await bench.rest(300 * DAY)
        assert len(bench.csms.requests) == before

    play(case)


def test_a_short_life_is_renewed_after_two_thirds(play):
    """Else the new one would be due at once, and the one after that."""

    async def case(bench: Bench) -> None:
        await bench.own(days=9.0)
        await bench.rest(4.9 * DAY)
        assert bench.csms.requests == []
        await bench.rest(0.2 * DAY)
        assert len(bench.csms.requests) > 0

    play(case)


def test_a_renewal_that_was_given_up_waits_for_the_csms_or_a_restart(play):  # A03.FR.19
    async def case(bench: Bench) -> None:
        await bench.own(days=100.0)
        await bench.rest(75 * DAY)
        assert len(bench.csms.requests) == 4
        bench.manager.sign(LeafKind.STATION)
        await bench.rest(DAY)
        assert len(bench.csms.requests) == 8
        await bench.restart()
        await bench.rest(DAY)
        assert len(bench.csms.requests) == 12

    play(case)


def test_a_renewal_waits_for_the_link(play):
    async def case(bench: Bench) -> None:
        await bench.own(days=100.0)
        bench.csms.online = False
        await bench.rest(75 * DAY)
        assert bench.csms.requests == []
        bench.csms.online = True
        bench.core.happens(LinkUp(0.0))
        await bench.rest()
        assert len(bench.csms.requests) == 1

    play(case)


def test_the_clock_jumps_to_the_last_month(play):
    async def case(bench: Bench) -> None:
        await bench.own(days=100.0)
        await bench.rest(1.0)
        bench.core.happens(ClockStepped(bench.clock.set_wall(bench.clock.now().wall + 80 * DAY)))
        await bench.rest()
        assert len(bench.csms.requests) == 1

    play(case)


def test_without_a_clock_nothing_ends(play):
    async def case(bench: Bench) -> None:
        await bench.own(days=100.0)
        wall = bench.clock.now().wall
        await bench.end()
        bench.clock.set_wall(0.0)
        bench.clock.trusted = False
        bench.begin()
        await bench.rest(200 * DAY)
        assert bench.core.credentials == [Credentials(csms_roots=1, station_certificate=True, entries=2)]
        assert bench.csms.requests == []
        bench.core.happens(ClockStepped(bench.clock.set_wall(wall + 80 * DAY)))
        await bench.rest()
        assert len(bench.csms.requests) == 1

    play(case)


def test_the_change_comes_when_the_new_certificate_begins(play):  # A02.FR.08
    async def case(bench: Bench) -> None:
        await bench.own()
        bench.manager.sign(LeafKind.STATION)
        await bench.rest()
        begins = int(bench.clock.now().wall) + 7200.0
        bench.changes.clear()
        assert (await bench.signed(not_before=begins)).status == "Accepted"
        await bench.rest(7100.0)
        assert bench.changes == []
        await bench.rest(200.0)
        ((at),) = bench.changes
        assert bench.clock.now().wall - (asyncio.get_running_loop().time() - at) == pytest.approx(begins, abs=1.5)

    play(case)


def test_an_expired_certificate_proves_nothing(play):
    async def case(bench: Bench) -> None:
        await bench.own(days=50.0)
        await bench.rest(60 * DAY)
        assert bench.core.credentials[-1] == Credentials(csms_roots=1, station_certificate=False, entries=2)

    play(case)


def test_many_questions_at_once_are_answered_in_order(play):
    async def case(bench: Bench) -> None:
        answers: list[str] = []

        def done(name: str, _result: Any) -> None:
            answers.append(name)

        names = ["csms/root", "csms/other-root", "csms/next-root"]
        for name in names:
            bench.manager.install(ROOT, bench.pki.get(name).pem, partial(done, name))
        bench.manager.installed(None, partial(done, "list"))
        await bench.rest()
        assert answers == [*names, "list"]

    play(case)


def test_nothing_is_imported_until_it_is_needed() -> None:
    """A small computer starts without `cryptography`, and a station that never uses certificates never loads it."""
    code = (
        "import asyncio, sys\n"
        "from station.sim.lab import LabSettings, run_lab\n"
        "async def main(lab):\n"
        "    await asyncio.sleep(600)\n"
        "    assert lab.csms.station('PILOT-1').boots\n"
        "run_lab(LabSettings(), main)\n"
        "loaded = {'cryptography', 'station.security.certstore'} & sys.modules.keys()\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)


def test_the_csms_took_the_new_certificate_so_the_old_one_goes(play):  # A02.FR.10
    async def case(bench: Bench) -> None:
        await bench.own(not_before=bench.clock.now().wall - 2 * DAY)
        bench.manager.sign(LeafKind.STATION)
        await bench.rest()
        await bench.signed(not_before=bench.clock.now().wall - DAY)
        new, _old = await bench.manager.ask(lambda store, _wall: store.leaves(LeafKind.STATION))
        bench.changes.clear()
        bench.manager.certificate_worked(new.label, newer_failed=False)
        await bench.rest()
        left = await bench.manager.ask(lambda store, _wall: store.leaves(LeafKind.STATION))
        assert [leaf.label for leaf in left] == [new.label]
        assert bench.core.noted("DiscardedRenewedClientCertificate") == []
        assert bench.changes == []

    play(case)


def test_the_way_back_worked_so_the_new_certificate_goes_and_the_csms_hears_of_it(play):  # A02.FR.10, FR.29
    async def case(bench: Bench) -> None:
        # It ends soon, and would be renewed again and again by a CSMS that cannot.
        await bench.own(not_before=bench.clock.now().wall - 2 * DAY, days=10)
        bench.manager.sign(LeafKind.STATION)
        await bench.rest()
        await bench.signed(not_before=bench.clock.now().wall - DAY)
        _new, old = await bench.manager.ask(lambda store, _wall: store.leaves(LeafKind.STATION))
        bench.csms.requests.clear()
        bench.changes.clear()
        bench.manager.certificate_worked(old.label, newer_failed=True)
        await bench.rest()
        left = await bench.manager.ask(lambda store, _wall: store.leaves(LeafKind.STATION))
        assert [leaf.label for leaf in left] == [old.label]
        (told,) = bench.core.noted("DiscardedRenewedClientCertificate")
        assert "SN-1" in str(told)
        assert bench.changes == []  # it is connected with it already
        await bench.rest(9 * DAY)
        assert bench.csms.requests == []
        assert bench.manager.sign(LeafKind.STATION).status == "Accepted"
        await bench.rest()
        assert len(bench.csms.requests) == 1

    play(case)
