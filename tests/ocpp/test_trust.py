"""Certificates of the store and of the operator's file in real TLS handshakes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from station.clock import Now
from station.errors import SecurityError
from station.ocpp.trouble import trouble_of
from station.ocpp.trust import StoredTls
from station.security.api import CertificateUse, LeafKind
from station.security.certstore import CertStore
from station.security.filekeys import FileKeys
from station.security.testpki import Issued, TestPki
from station.security.tls import TlsSettings, server_context

HOST = "127.0.0.1"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki(time.time(), tmp_path_factory.mktemp("pki"), hosts=(HOST, "localhost"))


class Manager:
    """What `StoredTls` needs of the certificate manager, with a real store."""

    def __init__(self, folder: Path) -> None:
        self.store = CertStore(folder, FileKeys(folder / "keys"))
        self.folder = folder
        self.in_use = True
        self.csms_chain: tuple[bytes, ...] = ()
        self.discarded: list[str] = []

    def from_thread(self, work: Callable[[CertStore, float | None], Any], wall: float | None) -> Any:
        return work(self.store, wall)

    def root_worked(self) -> None:
        self.store.confirm_root()

    def certificate_worked(self, label: str | None, *, newer_failed: bool) -> None:
        self.discarded += self.store.settle(label, time.time(), newer_failed=newer_failed)

    def install(self, root: Issued, *, checked: bool = False) -> None:
        outcome = self.store.install(CertificateUse.CSMS_ROOT, root.pem, time.time(), additional_root_check=checked)
        assert outcome.status == "Accepted", outcome

    def own(self, leaf: Issued) -> None:
        """As a technician does it."""
        (self.folder / "station" / "own.pem").write_text(leaf.chain_pem)
        keys = self.folder / "keys"
        keys.mkdir(exist_ok=True)
        (keys / "own.key").write_text(leaf.key_pem)


@pytest.fixture
def manager(tmp_path: Path) -> Manager:
    return Manager(tmp_path / "certificates")


def source(manager: Manager, *, system_roots: bool = False, **files: Any) -> StoredTls:
    def now() -> Now:
        return Now(0.0, time.time(), 1)

    return StoredTls(manager, TlsSettings(**files), now, system_roots=system_roots)  # type: ignore[arg-type]  # as much of it as is needed


@asynccontextmanager
async def server(leaf: Issued, **options: Any) -> AsyncIterator[tuple[int, list[str | None]]]:
    """Port, and the common names of those who came."""
    seen: list[str | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shown = writer.get_extra_info("peercert")
        names = dict(part[0] for part in shown["subject"]) if shown else {}
        seen.append(names.get("commonName"))
        writer.write(b"!")
        await writer.drain()
        await reader.read()
        writer.close()

    context = server_context(leaf.cert_file, leaf.key_file, **options)
    async with await asyncio.start_server(serve, HOST, 0, ssl=context) as listening:
        yield listening.sockets[0].getsockname()[1], seen


async def meet(tls: StoredTls, port: int, *, certificate: bool = False) -> str:
    """Empty when they trust each other, else why not."""
    try:
        context = await asyncio.to_thread(tls.context, certificate=certificate)
        reader, writer = await asyncio.open_connection(HOST, port, ssl=context, server_hostname=HOST)
        answer = await reader.read(1)
        writer.close()
        await writer.wait_closed()
    except (OSError, SecurityError) as error:
        return trouble_of(error).words
    return "" if answer == b"!" else "hung up"


async def test_the_store_and_the_file_both_count(manager: Manager, pki: TestPki) -> None:
    other = pki.get("csms/other-root")
    async with server(pki.server) as (port, _):
        assert "unable to get local issuer" in await meet(source(manager), port)
        assert await meet(source(manager, ca_file=pki.csms_root.pem_file), port) == ""
        manager.install(other)
        assert await meet(source(manager, ca_file=pki.csms_root.pem_file), port) == ""
        assert await meet(source(manager, system_roots=True), port) != ""
        manager.install(pki.csms_root)
        assert await meet(source(manager), port) == ""
        assert await meet(source(manager, ca_file=other.pem_file), port) == ""
    async with server(pki.get("bad/server-wrong-host")) as (port, _):
        assert "mismatch" in await meet(source(manager), port)
        assert await meet(source(manager, verify_hostname=False), port) == ""


async def test_an_empty_store_is_not_looked_into(manager: Manager, pki: TestPki) -> None:
    manager.in_use = False
    tls = source(manager, ca_file=pki.csms_root.pem_file)
    assert not tls.has_certificate()
    async with server(pki.server) as (port, _):
        assert await meet(tls, port) == ""


async def test_a_revoked_csms(manager: Manager, pki: TestPki) -> None:
    manager.install(pki.csms_root)
    async with server(pki.get("bad/server-revoked")) as (port, _):
        assert await meet(source(manager), port) == ""
        (manager.folder / "crls" / "operator.pem").write_text(pki.crls_pem())
        assert "revoked" in await meet(source(manager), port)


async def test_our_own_certificate(manager: Manager, pki: TestPki) -> None:
    """The store's before the file's; one that has expired is shown all the same (A00.FR.430)."""
    manager.install(pki.csms_root)
    filed, stored = pki.station("filed"), pki.station("stored")
    tls = source(manager, cert_file=filed.cert_file, key_file=filed.key_file)
    async with server(pki.server, client_ca_file=pki.csms_root.pem_file) as (port, seen):
        assert "no valid station certificate" in await meet(source(manager), port, certificate=True)
        assert await meet(tls, port, certificate=True) == ""
        manager.own(stored)
        assert await meet(tls, port, certificate=True) == ""
        assert seen == ["filed", "stored"]
        manager.own(pki.get("bad/station-expired", station="late"))
        # TLS 1.3: they refuse it after the handshake.
        assert await meet(tls, port, certificate=True) in (
            "hung up",
            "the CSMS refuses our certificate: it has expired",
        )
        assert seen == ["filed", "stored"]


async def test_the_root_that_was_replaced_is_a_way_back(manager: Manager, pki: TestPki) -> None:
    """M05.FR.12-14: TC_B_47, TC_B_50, TC_M_30, TC_M_31."""
    manager.install(pki.csms_root)
    manager.install(pki.get("csms/next-root"), checked=True)
    tls = source(manager)
    async with server(pki.get("csms/next-server")) as (new, _), server(pki.server) as (old, _):
        assert "certificate of the CSMS" in await meet(tls, old)
        tls.distrusted()
        assert await meet(tls, old) == ""
        tls.worked()  # with the old one: it stays
        assert manager.store.has_fallback()
        assert await meet(tls, new) == ""
        tls.worked()
        assert not manager.store.has_fallback()
        tls.distrusted()
        assert "certificate of the CSMS" in await meet(tls, old)


async def test_the_certificate_that_was_replaced_is_a_way_back(manager: Manager, pki: TestPki) -> None:
    """A02.FR.28, FR.10: the operator's file or the one before in the store; what the CSMS takes stays, the other goes."""
    manager.install(pki.csms_root)
    filed = pki.station("filed")
    tls = source(manager, cert_file=filed.cert_file, key_file=filed.key_file)
    manager.own(pki.get("bad/station-wrong-ca", station="renewed"))
    async with server(pki.server, client_ca_file=pki.csms_root.pem_file) as (port, seen):
        assert await meet(tls, port, certificate=True) != ""
        tls.refused()
        assert await meet(tls, port, certificate=True) == ""
        tls.refused()  # lost again: they take turns
        assert await meet(tls, port, certificate=True) != ""
        tls.refused()
        assert await meet(tls, port, certificate=True) == ""
        tls.worked()
        assert len(manager.discarded) == 1
        assert manager.store.leaves(LeafKind.STATION) == ()
        assert await meet(tls, port, certificate=True) == ""
        assert seen == ["filed"] * 3
        tls.worked()
        assert len(manager.discarded) == 1


async def test_without_an_older_certificate_there_is_no_way_back(manager: Manager, pki: TestPki) -> None:
    manager.install(pki.csms_root)
    late = pki.get("bad/station-expired", station="late")
    tls = source(manager, cert_file=late.cert_file, key_file=late.key_file)
    manager.own(pki.station("own"))
    async with server(pki.server, client_ca_file=pki.csms_root.pem_file) as (port, seen):
        tls.refused()
        assert await meet(tls, port, certificate=True) == ""
        tls.worked()
    assert seen == ["own"]
    assert manager.discarded == []
    assert len(manager.store.leaves(LeafKind.STATION)) == 1
