"""OCTT cases of M05 in which a CSMS changes its root certificate: a whole station before the embedded CSMS, over real TLS."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from station.security.testpki import TestPki
from station.security.tls import server_context
from station.sim.csms import EmbeddedCsms, Refusal
from station.sim.lab import Lab, LabSettings

VARIABLES = {
    "SecurityCtrlr.AdditionalRootCertificateCheck": "true",
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "1",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.RetryBackOffRepeatTimes": "0",
}


class Bench:
    """A station that trusts the CSMS's old root, and has accepted the new one, which the old one has signed."""

    def __init__(self, lab: Lab, csms: EmbeddedCsms, pki: TestPki, context: ssl.SSLContext) -> None:
        self.lab = lab
        self.csms = csms
        self.pki = pki
        self.context = context

    async def reconnect(self) -> None:
        """The CSMS ends the connection; until the station is back."""
        seen = self.csms.station(self.lab.settings.identity)
        before = seen.connections
        await self.csms.close(self.lab.settings.identity)
        async with asyncio.timeout(20.0):
            while seen.connections == before or not self.lab.view().online:
                await asyncio.sleep(0.02)

    async def has_fallback(self) -> bool:
        manager = self.lab.running.certificates
        assert manager is not None
        return await manager.ask(lambda store, _wall: store.has_fallback())


@asynccontextmanager
async def bench(folder: Path) -> AsyncIterator[Bench]:
    pki = TestPki(time.time(), folder / "pki")
    roots = folder / "station" / "certificates" / "csms"
    roots.mkdir(parents=True)
    (roots / "root.pem").write_text(pki.csms_root.pem)  # as an installer would
    context = server_context(pki.server.cert_file, pki.server.key_file)
    async with EmbeddedCsms(ssl=context, subprotocols=("ocpp2.0.1",)) as csms:
        settings = LabSettings(
            csms_url=csms.url, versions=("2.0.1",), variables=VARIABLES, folder=folder / "station", speed=20.0
        )
        async with Lab(settings) as lab:
            await csms.wait_for(settings.identity, "StatusNotification", since=0, timeout=20.0)
            new = {"certificateType": "CSMSRootCertificate", "certificate": pki.get("csms/next-root").pem}
            answer = await csms.call(settings.identity, "InstallCertificate", new)
            assert not isinstance(answer, Refusal)
            assert answer["status"] == "Accepted"  # M05.FR.12
            made = Bench(lab, csms, pki, context)
            assert await made.has_fallback()
            yield made


async def test_tc_m_30_reconnect_by_the_new_root(tmp_path: Path) -> None:
    """The old one is removed (M05.FR.13)."""
    async with bench(tmp_path) as made:
        server = made.pki.get("csms/next-server")
        made.context.load_cert_chain(server.cert_file, server.key_file)
        await made.reconnect()
        async with asyncio.timeout(10.0):
            while await made.has_fallback():
                await asyncio.sleep(0.02)


async def test_tc_m_31_reconnect_by_the_old_root(tmp_path: Path) -> None:
    """The CSMS still has its old certificate: the fallback lets the station in, and stays (M05.FR.14)."""
    async with bench(tmp_path) as made:
        await made.reconnect()
        assert await made.has_fallback()
        seen = made.csms.station(made.lab.settings.identity)
        await made.csms.wait_for(
            made.lab.settings.identity,
            "SecurityEventNotification",
            lambda event: event["type"] == "InvalidCsmsCertificate",
            since=0,
            timeout=10.0,
        )
        assert seen.complaints == []
