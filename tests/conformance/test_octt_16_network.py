"""OCTT cases of OCPP 1.6 about the password and the security profile (security whitepaper, A01 and A05), on virtual time.

TLS itself is proved over real sockets before a foreign CSMS in tests/interop/test_security_profiles.py.
"""

from __future__ import annotations

import asyncio

from station.core.events import CredentialsChanged
from station.core.types import Credentials
from tests.conformance.stage16 import Stage, octt

PASSWORD, NEW = "correct-horse-battery", "another-horse-battery"
QUICK = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "2",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.NetworkProfileConnectionAttempts": "2",
}


async def value(s: Stage, key: str) -> str:
    answer = await s.call("GetConfiguration", key=[key])
    return str(answer["configurationKey"][0]["value"])


def told(s: Stage, roots: int, own: bool) -> None:
    """What the certificate store would tell."""
    credentials = Credentials(csms_roots=roots, station_certificate=own, entries=roots + own)
    s.lab.running.gateway.submit(CredentialsChanged(credentials))


@octt(password=PASSWORD)
async def test_a01_the_password_is_never_told(s: Stage) -> None:
    """Accepted, and used for the connection that follows (over HTTP: TC_073 in test_octt_16.py)."""
    await s.ready()
    await s.configure(AuthorizationKey=NEW)
    await asyncio.sleep(30)
    assert s.seen.connections == 2
    answer = await s.call("GetConfiguration", key=["AuthorizationKey"])
    assert answer["configurationKey"] == [{"key": "AuthorizationKey", "readonly": False}]


@octt(variables=QUICK)
async def test_a05_each_profile_needs_what_it_needs(s: Stage) -> None:
    """A05.FR.01-07: 0 to 1 to 2, at once, without a restart; 3 not without a certificate."""
    await s.ready()
    for wrong in ("0", "1", "2", "3", "4"):
        await s.order("ChangeConfiguration", "Rejected", key="SecurityProfile", value=wrong)
    await s.configure(AuthorizationKey=PASSWORD)
    await asyncio.sleep(10)
    told(s, 0, own=False)
    await s.order("ChangeConfiguration", "Rejected", key="SecurityProfile", value="2")
    for profile, roots in (("1", 0), ("2", 1)):
        told(s, roots, own=False)
        connections = s.seen.connections
        s.skip()
        await s.configure(SecurityProfile=profile)
        await s.expect("BootNotification")  # on another connection: B10.FR.10 of 2.0.1
        await asyncio.sleep(5)
        assert s.seen.connections == connections + 1
        assert await value(s, "SecurityProfile") == profile
        await s.order("ChangeConfiguration", "Rejected", key="SecurityProfile", value=profile)
    await s.order("ChangeConfiguration", "Rejected", key="SecurityProfile", value="3")
    assert s.lab.boots == 1


@octt(variables=QUICK, password=PASSWORD)
async def test_a05_back_to_what_worked(s: Stage) -> None:
    """A05.FR.08: the CSMS does not answer there."""
    await s.ready()
    told(s, 1, own=False)
    s.lab.network.absent.add("wss://embedded")
    s.lab.network.dialled.clear()
    await s.configure(SecurityProfile="2")
    await asyncio.sleep(60)
    assert list(s.lab.network.dialled) == ["wss://embedded", "wss://embedded", "ws://embedded"]
    assert await value(s, "SecurityProfile") == "1"
    await s.lab.offline()
    await s.lab.go_online()
    await asyncio.sleep(30)
    assert set(list(s.lab.network.dialled)[3:]) == {"ws://embedded"}
