"""`station.security.testpki`: complete, found again, and fit for a test CSMS."""

from __future__ import annotations

import ssl
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448
from cryptography.x509.oid import NameOID

from station.errors import SecurityError
from station.security import certificates
from station.security.api import LeafKind
from station.security.testpki import TestPki, recipes
from tests.security.bench import DAY, NOW, pki


def test_every_recipe_is_made_and_kept(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    made = TestPki(NOW, tmp_path, hosts=("csms.test", "192.0.2.1"))
    names = made.make_all(["CS-1", "CS/2"])
    wanted = {name for name, recipe in recipes().items() if "{id}" not in recipe.common_name}
    assert set(names) >= wanted
    assert {"station/leaf-CS-1", "station/leaf-CS%2F2"} <= set(names)
    for file in tmp_path.rglob("*"):
        assert stat.S_IMODE(file.stat().st_mode) == (0o700 if file.is_dir() else 0o600), file
    # OpenSSL is of the same opinion.
    for root, group in (
        ("csms/root", "csms/server"),
        ("iso2/v2g-root", "iso2/secc"),
        ("iso20/mo-root", "iso20/contract"),
    ):
        arguments = ["-CAfile", str(tmp_path / f"{root}.pem"), "-untrusted", str(tmp_path / f"{group}.chain.pem")]
        done = subprocess.run(
            [require_tool("openssl"), "verify", "-x509_strict", *arguments, str(tmp_path / f"{group}.pem")],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_was_made_is_found_again(tmp_path: Path) -> None:
    first = TestPki(NOW, tmp_path)
    server = first.server
    own = first.station("CS-1")
    again = TestPki(NOW + DAY, tmp_path)
    assert again.server.certificate == server.certificate
    assert again.server.key_pem == server.key_pem
    assert again.server.chain_pem == server.chain_pem
    assert again.station("CS-1").certificate == own.certificate
    assert again.csms_root.certificate == first.csms_root.certificate


def test_a_pki_in_memory_has_no_files() -> None:
    made = TestPki(NOW)
    assert made.server.pem
    with pytest.raises(SecurityError, match="in memory"):
        assert made.server.cert_file


def test_names_and_curves() -> None:
    contract = pki().get("iso2/contract").certificate
    assert certificates.common_name(contract) == "DEPWTC00000001"
    assert certificates.rdn(contract.subject, NameOID.DOMAIN_COMPONENT) == ("MO",)
    for name, curve in (("iso2/secc", "secp256r1"), ("iso20/secc", "secp521r1")):
        key = pki().get(name).certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == curve
    assert isinstance(pki().get("iso20-ed448/secc").certificate.public_key(), ed448.Ed448PublicKey)
    assert [len(pki().get(f"iso2/{name}").above) for name in ("secc", "contract", "oem", "cps", "cpo-sub1")] == [
        2,
        2,
        2,
        2,
        0,
    ]
    assert pki().get("csms/next-root").certificate.issuer == pki().csms_root.certificate.subject


def test_where_to_ask_for_the_status() -> None:
    """M06 needs the responder's URL."""
    for name in ("secc", "cpo-sub1", "cpo-sub2"):
        access = (
            pki()
            .get(f"iso2/{name}")
            .certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
            .value
        )
        assert access[0].access_location.value == "http://ocsp.test.invalid"


def test_time_comes_in() -> None:
    old = TestPki(0.0)
    assert certificates.not_before(old.csms_root.certificate) == -DAY
    assert certificates.not_after(old.server.certificate) == 364 * DAY


def test_every_certificate_has_an_organisation_and_its_own_serial() -> None:
    """A00.FR.508, .509"""
    made = TestPki(NOW, organisation="Stroh GmbH")
    some = [made.get(name).certificate for name in ("csms/root", "csms/server", "iso2/secc")]
    assert {certificates.rdn(one.subject, NameOID.ORGANIZATION_NAME) for one in some} == {("Stroh GmbH",)}
    assert len({one.serial_number for one in some}) == 3


def test_unknown_names_are_told() -> None:
    with pytest.raises(SecurityError, match="csms/root"):
        pki().get("csms/rooot")
    with pytest.raises(SecurityError, match="say which"):
        pki().get("station/leaf")


def test_revoked_stations_are_on_the_list(tmp_path: Path) -> None:
    made = TestPki(NOW, tmp_path)
    one = made.get("bad/station-revoked", station="CS-1").certificate
    other = made.get("bad/station-revoked", station="CS-2").certificate
    crl = TestPki(NOW, tmp_path).crl("csms/station-ca")
    assert {entry.serial_number for entry in crl} == {one.serial_number, other.serial_number}
    extra = made.station("CS-3").certificate
    assert made.crl("csms/station-ca", also=[extra]).get_revoked_certificate_by_serial_number(extra.serial_number)


@pytest.mark.parametrize(
    "text", ["", "junk", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----"]
)
def test_a_bad_request_is_not_signed(text: str) -> None:
    with pytest.raises(SecurityError, match="signing request"):
        pki().sign_station_csr(text)


@pytest.mark.parametrize("kind", LeafKind)
def test_what_a_csms_answers(kind: LeafKind) -> None:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, "SN"), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Org")]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    chain = certificates.load_all(pki().sign_station_csr(request.public_bytes(Encoding.PEM).decode(), kind=kind))
    assert chain[0].subject == subject
    assert len(chain) == (2 if kind is LeafKind.STATION else 3)
    assert certificates.issued_by(chain[0], chain[1])
    changed = pki().sign_station_csr(request.public_bytes(Encoding.PEM).decode(), kind=kind, common_name="Other")
    assert certificates.common_name(certificates.load_all(changed)[0]) == "Other"


def test_ssl_takes_its_files() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name in ("csms/server", "csms/server-rsa", "iso20/secc"):
        context.load_cert_chain(pki().get(name).cert_file, pki().get(name).key_file)
