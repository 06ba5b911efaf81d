"""Signatures of firmware: real keys and certificates, every scheme, and everything that can be wrong."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from hypothesis import given
from hypothesis import strategies as st

from station.errors import SecurityError
from station.security.firmware import check_certificate, verify_file
from station.security.testpki import Issued, TestPki

CONTENT = b"firmware " * 300_000  # several chunks
NOW = time.time()
YEAR_S = 366 * 86_400.0


@pytest.fixture(scope="module")
def pki() -> TestPki:
    return TestPki(NOW)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("firmware") / "fw.bin"
    file.write_bytes(CONTENT)
    return file


def sign(signer: Issued, content: bytes = CONTENT, scheme: str = "pss") -> str:
    key = signer.key
    if isinstance(key, ec.EllipticCurvePrivateKey):
        raw = key.sign(content, ec.ECDSA(hashes.SHA256()))
    else:
        salts = {"pss": 32, "pss-max": padding.PSS.MAX_LENGTH}
        scheme_of = padding.PSS(padding.MGF1(hashes.SHA256()), salts[scheme]) if scheme in salts else padding.PKCS1v15()
        raw = key.sign(content, scheme_of, hashes.SHA256())  # type: ignore[union-attr, call-arg]  # it is an RSA key
    return base64.b64encode(raw).decode()


@pytest.mark.parametrize("scheme", ["pss", "pss-max", "pkcs1"])
def test_rsa(pki: TestPki, file: Path, scheme: str) -> None:
    """L01.FR.04."""
    signer = pki.get("manufacturer/firmware-rsa")
    verify_file(file, sign(signer, scheme=scheme), signer.pem)


def test_elliptic_curve_and_line_breaks(pki: TestPki, file: Path) -> None:
    signer = pki.get("manufacturer/firmware")
    text = sign(signer)
    verify_file(file, f"{text[:40]}\r\n{text[40:]}\n", signer.pem)


@pytest.mark.parametrize("name", ["manufacturer/firmware", "manufacturer/firmware-rsa"])
def test_another_file(pki: TestPki, file: Path, name: str) -> None:
    signer = pki.get(name)
    with pytest.raises(SecurityError, match="does not fit"):
        verify_file(file, sign(signer, CONTENT + b"!"), signer.pem)


def test_another_signer(pki: TestPki, file: Path) -> None:
    with pytest.raises(SecurityError, match="does not fit"):
        verify_file(file, sign(pki.get("manufacturer/firmware")), pki.get("csms/server").pem)


@given(st.text(max_size=60) | st.binary(max_size=80).map(lambda raw: base64.b64encode(raw).decode()))
def test_any_text_as_a_signature(text: str) -> None:
    file = Path(__file__)
    with pytest.raises(SecurityError):
        verify_file(file, text, _PEM)


_PEM = TestPki(NOW).get("manufacturer/firmware").pem


def roots(pki: TestPki) -> tuple[x509.Certificate, ...]:
    return (pki.get("manufacturer/root").certificate,)


@pytest.mark.parametrize("name", ["manufacturer/firmware", "manufacturer/firmware-rsa"])
def test_a_good_certificate(pki: TestPki, name: str) -> None:
    assert check_certificate(pki.get(name).pem, roots(pki), NOW).status == "Accepted"
    assert check_certificate(pki.get(name).pem, roots(pki), None).status == "Accepted"  # the clock is not known


def test_certificates_that_are_not(pki: TestPki) -> None:
    """L01.FR.22."""
    good = pki.get("manufacturer/firmware").pem
    for pem, installed, wall in (
        (good, (), NOW),  # no root
        (good, (pki.csms_root.certificate,), NOW),  # of somebody else
        (good, roots(pki), NOW + 40 * YEAR_S),  # expired
        (pki.get("csms/server").pem, roots(pki), NOW),
        (pki.get("manufacturer/root").pem, roots(pki), NOW),  # a CA
        ("", roots(pki), NOW),
        ("no certificate", roots(pki), NOW),
    ):
        outcome = check_certificate(pem, installed, wall)
        assert outcome.status == "InvalidCertificate"
        assert outcome.info


def test_a_revoked_certificate(pki: TestPki) -> None:
    """RevokedCertificate."""
    signer = pki.get("manufacturer/firmware")
    crl = pki.crl("manufacturer/root", also=[signer.certificate])
    assert check_certificate(signer.pem, roots(pki), NOW, [crl]).status == "RevokedCertificate"
    assert check_certificate(signer.pem, roots(pki), NOW, [pki.crl("manufacturer/root")]).status == "Accepted"
