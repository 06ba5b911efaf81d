"""Security profiles 0 to 3 before the foreign CSMS: who is let in, who is not, and what the CSMS hears of it (A00, A01, A04, A05)."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from station.security.certificates import hash_data
from station.security.testpki import Issued, TestPki
from tests.interop.bench import Bench
from tests.interop.conftest import MakeBench
from tests.interop.foreign import ForeignCsms

pytestmark = pytest.mark.npm

PASSWORD = "correct-horse-battery"
OTHER = "another-horse-battery"
SERIAL = "PW-0001"
INVALID_CSMS = {"2.0.1": "InvalidCsmsCertificate", "1.6": "InvalidCentralSystemCertificate"}


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> TestPki:
    return TestPki(time.time(), tmp_path_factory.mktemp("pki"), hosts=("127.0.0.1", "localhost"))


def tls(leaf: Issued, **more: Any) -> dict[str, Any]:
    """Options of Node's TLS server."""
    return {"cert": leaf.chain_pem, "key": leaf.key_pem, "minVersion": "TLSv1.2", **more}


def mutual(pki: TestPki, **more: Any) -> dict[str, Any]:
    """A server that asks for a certificate of the station."""
    return tls(pki.server, ca=pki.csms_root.pem, requestCert=True, rejectUnauthorized=True, **more)


Make = Callable[..., Awaitable[Bench]]


@pytest.fixture
def make(make_bench: MakeBench, version: str, tmp_path: Path) -> Make:
    """A station with a certificate store and today's date, in each version; `setup`: its configuration."""

    async def made(variables: dict[str, str] | None = None, **setup: Any) -> Bench:
        bench = await make_bench(version, **{"SecurityCtrlr__OrganizationName": "Pilotwire Test", **(variables or {})})
        bench.begins = time.time()
        bench.reconfigure(certificates=tmp_path / "certificates", **setup)
        return bench

    return made


# --- what people see --------------------------------------------------------------------------------------------------


def profile(bench: Bench) -> int:
    return bench.app.model.integer("SecurityCtrlr", "SecurityProfile")


def trouble(bench: Bench) -> str:
    return bench.app.client._link.last_error or ""


def noted(csms: ForeignCsms, kind: str) -> list[dict[str, Any]]:
    """Security events of this kind that the CSMS has heard of."""
    return [call.payload for call in csms.heard("SecurityEventNotification", type=kind)]


async def in_vain(bench: Bench, words: str, attempts: int = 3) -> None:
    """Several attempts that come to nothing, with these words."""
    link = bench.app.client._link
    failed = 0
    on_failed = bench.app.client.on_failed

    def count(told: Any) -> None:
        nonlocal failed
        failed += 1
        on_failed(told)
        bench._changed.set()

    link._hooks = _Hooks(bench, count)
    await bench.until(lambda: failed >= attempts, f"{attempts} attempts in vain")
    assert words in trouble(bench)
    assert not bench.app.client.online


@dataclass
class _Hooks:
    bench: Bench
    on_failed: Callable[[Any], None]

    def on_open(self, subprotocol: str) -> None:
        self.bench.app.client.on_open(subprotocol)

    def on_text(self, text: str) -> None:
        self.bench.app.client.on_text(text)

    def on_closed(self, reason: str) -> None:
        self.bench.app.client.on_closed(reason)


async def set_variable(csms: ForeignCsms, name: str, value: str) -> str:
    component, _, variable = name.partition(".")
    item = {"component": {"name": component}, "variable": {"name": variable}, "attributeValue": value}
    answer = await csms.call("SetVariables", {"setVariableData": [item]})
    assert answer.error is None, answer
    return str(answer.result["setVariableResult"][0]["attributeStatus"])


async def set_password(csms: ForeignCsms, version: str, password: str) -> str:
    if version == "1.6":
        return str((await csms.call("ChangeConfiguration", {"key": "AuthorizationKey", "value": password})).status)
    return await set_variable(csms, "SecurityCtrlr.BasicAuthPassword", password)


# --- let in -----------------------------------------------------------------------------------------------------------


async def test_profile_0(make: Make, csms: ForeignCsms) -> None:
    bench = await make()
    await bench.start()
    assert profile(bench) == 0
    assert csms.opened[-1]["password"] is None


async def test_profile_1(make: Make, csms: ForeignCsms) -> None:
    await csms.policy(password=PASSWORD)
    bench = await make(password=PASSWORD)
    await bench.start()
    assert profile(bench) == 1
    assert bytes.fromhex(csms.opened[-1]["password"]).decode() == PASSWORD


async def test_profile_2(make: Make, csms: ForeignCsms, pki: TestPki) -> None:
    """TLS 1.2 at least, the chain and the name checked, the password besides (A00.FR.301 ff.)."""
    await csms.policy(password=PASSWORD)
    for at_most in ("TLSv1.3", "TLSv1.2"):
        url = await csms.secure(**tls(pki.server, maxVersion=at_most))
        bench = await make(url=url, password=PASSWORD, ca_file=pki.csms_root.pem_file)
        await bench.start()
        assert profile(bench) == 2
        assert csms.opened[-1]["tls"] == at_most
        assert csms.opened[-1]["station"] is None
        await bench.stop()


async def test_profile_3(make: Make, csms: ForeignCsms, pki: TestPki) -> None:
    """The certificate proves the station, and no password is sent (A00.FR.401)."""
    own = pki.station(SERIAL)
    bench = await make(
        url=await csms.secure(**mutual(pki)),
        ca_file=pki.csms_root.pem_file,
        cert_file=own.cert_file,
        key_file=own.key_file,
        password=PASSWORD,
    )
    await bench.start()
    assert profile(bench) == 3
    assert (csms.opened[-1]["station"], csms.opened[-1]["password"]) == (SERIAL, None)


# --- not let in -------------------------------------------------------------------------------------------------------


async def test_a_wrong_password(make: Make, csms: ForeignCsms) -> None:
    await csms.policy(password=PASSWORD)
    bench = await make(password=OTHER)
    await bench.start(online=False)
    await in_vain(bench, "refused with HTTP 401 Unauthorized: it does not accept this identity with this password")
    assert set(csms.turned_away) == {401}
    assert csms.calls == []


async def test_an_unknown_identity(make: Make, csms: ForeignCsms) -> None:
    await csms.policy(identities=["somebody-else"])
    bench = await make()
    await bench.start(online=False)
    await in_vain(bench, "refused with HTTP 404 as told".replace(" as told", ""))
    assert "does not know this identity" in trouble(bench)
    assert csms.calls == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bad/server-expired", "expired"),
        ("bad/server-early", "not yet valid"),
        ("bad/server-wrong-host", "IP address mismatch"),
        ("bad/server-self-signed", "self-signed"),
        ("bad/server-wrong-ca", "unable to get local issuer"),
        ("bad/server-revoked", "revoked"),
    ],
)
async def test_a_csms_that_cannot_be_trusted(
    make: Make, csms: ForeignCsms, pki: TestPki, version: str, name: str, words: str, tmp_path: Path
) -> None:
    """A00.FR.309-311: no connection; the CSMS hears of it, once, when it has a good certificate again."""
    crls = tmp_path / "certificates" / "crls"
    crls.mkdir(parents=True)
    (crls / "operator.pem").write_text(pki.crls_pem())
    url = await csms.secure(**tls(pki.get(name)))
    bench = await make(url=url, password=PASSWORD, ca_file=pki.csms_root.pem_file)
    await bench.start(online=False)
    await in_vain(bench, words)
    assert csms.calls == []
    await csms.unsecure()
    await csms.secure(port=int(url.rpartition(":")[2]), **tls(pki.server))
    kind = INVALID_CSMS[version]
    await bench.until(lambda: noted(csms, kind), f"the security event {kind}")
    await bench.delivered()
    assert len(noted(csms, kind)) == 1
    assert words in noted(csms, kind)[0]["techInfo"]


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        (
            {"minVersion": "TLSv1", "maxVersion": "TLSv1.1", "ciphers": "ALL@SECLEVEL=0"},
            "InvalidTLSVersion",
            "no TLS 1.2",
        ),
        (
            {"maxVersion": "TLSv1.2", "ciphers": "ECDHE-ECDSA-AES128-SHA@SECLEVEL=0"},
            "InvalidTLSCipherSuite",
            "no TLS cipher suite in common",
        ),
    ],
    ids=["version", "suite"],
)
async def test_tls_that_is_too_old(
    make: Make, csms: ForeignCsms, pki: TestPki, options: dict[str, str], kind: str, words: str
) -> None:
    """A00.FR.316, FR.323."""
    url = await csms.secure(**{**tls(pki.server), **options})
    bench = await make(url=url, password=PASSWORD, ca_file=pki.csms_root.pem_file)
    await bench.start(online=False)
    await in_vain(bench, words)
    await csms.unsecure()
    await csms.secure(port=int(url.rpartition(":")[2]), **tls(pki.server))
    await bench.until(lambda: noted(csms, kind), f"the security event {kind}")
    await bench.delivered()
    assert len(noted(csms, kind)) == 1


@pytest.mark.parametrize("name", ["bad/station-revoked", "bad/station-wrong-ca", "bad/station-expired"])
async def test_a_station_that_the_csms_does_not_trust(make: Make, csms: ForeignCsms, pki: TestPki, name: str) -> None:
    """A00.FR.407 (1.6), A00.FR.404, FR.430: we try, also with an expired certificate, and the CSMS refuses."""
    own = pki.get(name, station=SERIAL)
    revoked = [block + "-----END X509 CRL-----\n" for block in pki.crls_pem().split("-----END X509 CRL-----\n")[:-1]]
    url = await csms.secure(**mutual(pki, crl=revoked))
    bench = await make(url=url, ca_file=pki.csms_root.pem_file, cert_file=own.cert_file, key_file=own.key_file)
    await bench.start(online=False)
    await in_vain(bench, "the CSMS ended the connection instead of answering")
    assert csms.opened == []
    good = pki.station(SERIAL)
    await bench.stop()
    bench.reconfigure(cert_file=good.cert_file, key_file=good.key_file)
    await bench.start()
    assert csms.opened[-1]["station"] == SERIAL


async def test_what_the_profile_needs_is_missing(make: Make, csms: ForeignCsms, pki: TestPki) -> None:
    """No attempt is made without the password or the certificate, and words say which."""
    url = await csms.secure(**mutual(pki))
    bench = await make(url=url, ca_file=pki.csms_root.pem_file, security_profile=3)
    await bench.start(online=False)
    await in_vain(bench, "security profile 3 needs a certificate of the station, and there is none")
    await bench.stop()
    bench.reconfigure(url=csms.url, security_profile=1)
    await bench.start(online=False)
    await in_vain(bench, "security profile 1 needs a password, and none is set")
    assert csms.turned_away == []
    assert csms.opened == []


# --- passwords (A01) --------------------------------------------------------------------------------------------------


async def test_a_new_password(make: Make, csms: ForeignCsms, version: str) -> None:
    await csms.policy(password=PASSWORD)
    bench = await make(password=PASSWORD)
    await bench.start()
    await csms.policy(password=OTHER)
    assert await set_password(csms, version, OTHER) == "Accepted"
    await bench.until(lambda: len(csms.opened) == 2, "the connection with the new password")
    await bench.until(lambda: not bench.app.view().network.unproven, "the proof")
    assert csms.turned_away == []


async def test_a_new_password_that_the_csms_forgets(make: Make, csms: ForeignCsms, version: str) -> None:
    """The old one stays until the new one has worked, also over a restart."""
    await csms.policy(password=PASSWORD)
    bench = await make(password=PASSWORD)
    await bench.start()
    assert await set_password(csms, version, OTHER) == "Accepted"
    await bench.until(lambda: len(csms.opened) == 2, "the connection with the old password")
    assert csms.turned_away == [401]
    await bench.stop()
    await bench.start()
    assert bench.app.view().network.unproven
    await csms.policy(password=OTHER)
    await csms.lose()
    await bench.until(lambda: not bench.app.view().network.unproven, "the proof of the new one")


@pytest.mark.parametrize("version", ["1.6"], indirect=True)
async def test_a_key_in_hexadecimal(make: Make, csms: ForeignCsms, version: str) -> None:
    """1.6 whitepaper, A00.FR.205: 40 digits stand for 20 bytes. A CSMS that compares the digits is understood, too."""
    key = "c0ffee" + "0123456789abcdef" * 2 + "42"
    bench = await make(password=PASSWORD)
    await csms.policy(password=PASSWORD)
    await bench.start()
    await csms.policy(passwordHex=key)
    assert await set_password(csms, version, key) == "Accepted"
    await bench.until(lambda: csms.opened[-1]["password"] == key, "the bytes")
    await csms.policy(passwordHex=None, password=key.upper())
    assert await set_password(csms, version, key.upper()) == "Accepted"
    await bench.until(lambda: csms.opened[-1]["password"] == key.upper().encode().hex(), "the digits")
    assert csms.turned_away == [401]


# --- upgrade (A05, B09, B10, A02) -------------------------------------------------------------------------------------


class Upgrade:
    """What an operator does in each version to bring a station from profile 1 to 2 and to 3."""

    def __init__(self, bench: Bench, csms: ForeignCsms, pki: TestPki, version: str) -> None:
        self.bench, self.csms, self.pki, self.version = bench, csms, pki, version

    async def install_root(self, root: Issued) -> None:
        name = "CentralSystemRootCertificate" if self.version == "1.6" else "CSMSRootCertificate"
        answer = await self.csms.call("InstallCertificate", {"certificateType": name, "certificate": root.pem})
        assert answer.status == "Accepted", answer

    async def sign(self, begins_ago_s: float, issuer: str | None = None) -> None:
        """SignCertificate, triggered, and its answer: a certificate valid since then."""
        if self.version == "1.6":
            trigger = ("ExtendedTriggerMessage", "SignChargePointCertificate")
        else:
            trigger = ("TriggerMessage", "SignChargingStationCertificate")
        before = len(self.csms.heard("SignCertificate"))
        answer = await self.csms.call(trigger[0], {"requestedMessage": trigger[1]})
        assert answer.status == "Accepted", answer
        asked = await self.bench.until(lambda: self.csms.heard("SignCertificate")[before:], "SignCertificate")
        chain = self.pki.sign_station_csr(
            asked[0].payload["csr"], not_before=self.pki.wall - begins_ago_s, issuer=issuer
        )
        answer = await self.csms.call("CertificateSigned", {"certificateChain": chain})
        assert answer.status == "Accepted", answer

    async def to(self, wanted: int, url: str, status: str = "Accepted") -> None:
        """Ask for a higher profile; in 2.0.1 with a restart."""
        if self.version == "1.6":
            answer = await self.csms.call("ChangeConfiguration", {"key": "SecurityProfile", "value": str(wanted)})
            assert answer.status == status, answer
            return
        data = {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": url,
            "messageTimeout": 30,
            "securityProfile": wanted,
            "ocppInterface": "Wired0",
        }
        active = self.bench.app.view().network.active
        slot = next(slot for slot in (1, 2, 3, 4) if slot not in self.bench.app.view().network.slots)
        answer = await self.csms.call("SetNetworkProfile", {"configurationSlot": slot, "connectionData": data})
        assert answer.status == "Accepted", answer
        order = await set_variable(self.csms, "OCPPCommCtrlr.NetworkConfigurationPriority", f"{slot},{active}")
        assert order == status
        if status == "Accepted":
            assert (await self.csms.call("Reset", {"type": "OnIdle"})).status == "Accepted"

    async def reached(self, wanted: int) -> None:
        await self.bench.until(
            lambda: profile(self.bench) == wanted and self.bench.app.client.online, f"security profile {wanted}"
        )


async def test_upgrade_from_1_to_2_to_3(make: Make, csms: ForeignCsms, pki: TestPki, version: str) -> None:
    """Nothing but OCPP: root, password, own certificate; each step is refused until what it needs is there."""
    await csms.policy(password=PASSWORD)
    url = await csms.secure(**tls(pki.server, ca=pki.csms_root.pem, requestCert=True, rejectUnauthorized=False))
    bench = await make(password=PASSWORD, secure_url=f"{url}/ocpp")
    await bench.start()
    upgrade = Upgrade(bench, csms, pki, version)
    await upgrade.to(2, url, "Rejected")  # A05.FR.02 (2.0.1), FR.03 (1.6)
    await upgrade.install_root(pki.csms_root)
    await upgrade.to(2, url)
    await upgrade.reached(2)
    assert csms.opened[-1]["tls"] is not None
    assert {one.security_profile for one in bench.app.view().network.slots.values()} == {2}  # A05.FR.06
    await upgrade.to(3, url, "Rejected")  # A05.FR.03 (2.0.1), FR.04 (1.6)
    await upgrade.sign(7200)
    await upgrade.to(3, url)
    await upgrade.reached(3)
    assert (csms.opened[-1]["station"], csms.opened[-1]["password"]) == (SERIAL, None)
    serial = csms.opened[-1]["serial"]
    csms.calls.clear()
    await upgrade.sign(3600)  # A02.FR.08: the new certificate is used at once
    await bench.until(lambda: csms.opened[-1]["serial"] != serial, "the connection with the new certificate")
    await bench.stop()
    await bench.start()
    assert profile(bench) == 3
    assert bench.app.view().network.order == (bench.app.view().network.active,)


async def test_an_upgrade_that_fails(make: Make, csms: ForeignCsms, pki: TestPki, version: str) -> None:
    """The CSMS there has the certificate of another: back to what worked (B10.FR.07; 1.6 A05.FR.08), and the CSMS is told why."""
    await csms.policy(password=PASSWORD)
    url = await csms.secure(**tls(pki.get("bad/server-wrong-ca")))
    bench = await make(password=PASSWORD, secure_url=f"{url}/ocpp")
    await bench.start()
    upgrade = Upgrade(bench, csms, pki, version)
    await upgrade.install_root(pki.csms_root)
    connections = len(csms.opened)
    await upgrade.to(2, url)
    await bench.until(lambda: len(csms.opened) > connections, "the way back")
    await bench.until(lambda: noted(csms, INVALID_CSMS[version]), "the security event")
    assert profile(bench) == 1
    assert csms.opened[-1]["tls"] is None
    network = bench.app.view().network
    if version == "1.6":  # the key says 1 again, and the next connection is made as before
        answer = await csms.call("GetConfiguration", {"key": ["SecurityProfile"]})
        assert answer.result["configurationKey"] == [{"key": "SecurityProfile", "readonly": False, "value": "1"}]
        assert network.order == (1,)
    else:
        assert (network.active, network.order) == (1, (2, 1))


async def test_a_new_certificate_that_the_csms_does_not_take(
    make: Make, csms: ForeignCsms, pki: TestPki, version: str
) -> None:
    """A02.FR.28, FR.10, FR.29: back to the one before, which still holds; the CSMS hears that the new one is gone."""
    old = pki.station(SERIAL)
    bench = await make(
        url=await csms.secure(**mutual(pki)),
        ca_file=pki.csms_root.pem_file,
        cert_file=old.cert_file,
        key_file=old.key_file,
    )
    await bench.start()
    serial = csms.opened[-1]["serial"]
    upgrade = Upgrade(bench, csms, pki, version)
    # The station trusts whoever signs it; the server there does not.
    await upgrade.install_root(pki.get("csms/other-root"))
    connections = len(csms.opened)
    await upgrade.sign(3600, issuer="csms/other-root")
    await bench.until(lambda: len(csms.opened) > connections, "the way back")
    assert csms.opened[-1]["serial"] == serial
    kind = "DiscardedRenewedClientCertificate"
    await bench.until(lambda: noted(csms, kind), f"the security event {kind}")
    assert SERIAL in noted(csms, kind)[0]["techInfo"]
    await bench.delivered()
    await bench.stop()
    await bench.start()  # at once with the old one
    assert csms.opened[-1]["serial"] == serial
    assert len(noted(csms, kind)) == 1
    assert profile(bench) == 3
    # One that the CSMS does take replaces it.
    await upgrade.install_root(pki.csms_root)
    await upgrade.sign(1800)
    await bench.until(lambda: csms.opened[-1]["serial"] != serial, "the connection with the next one")
    assert len(noted(csms, kind)) == 1


async def test_the_root_in_use_is_not_deleted_in_1_6(make: Make, csms: ForeignCsms, pki: TestPki, version: str) -> None:
    """1.6 whitepaper, M04.FR.06; 2.0.1 has no such rule, only our own certificate is safe there."""
    url = await csms.secure(**tls(pki.server))
    await csms.policy(password=PASSWORD)
    bench = await make(url=url, password=PASSWORD, ca_file=pki.csms_root.pem_file)
    await bench.start()
    upgrade = Upgrade(bench, csms, pki, version)
    other = pki.get("csms/other-root")
    for root in (pki.csms_root, other, pki.get("csms/next-root")):
        await upgrade.install_root(root)
    connections = len(csms.opened)
    await csms.lose()
    await bench.until(lambda: len(csms.opened) > connections and bench.app.client.online, "a connection by the store")

    async def delete(root: Issued) -> str:
        found = hash_data(root.certificate, root.certificate)
        names = {
            "hashAlgorithm": found.algorithm,
            "issuerNameHash": found.issuer_name_hash,
            "issuerKeyHash": found.issuer_key_hash,
            "serialNumber": found.serial_number,
        }
        return str((await csms.call("DeleteCertificate", {"certificateHashData": names})).status)

    assert await delete(pki.csms_root) == ("Failed" if version == "1.6" else "Accepted")
    assert await delete(other) == "Accepted"
    assert await delete(other) == "NotFound"
