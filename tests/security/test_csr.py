"""`station.security.csr`: what we ask a CA to sign."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from station.errors import SecurityError
from station.security import certificates
from station.security.api import KeyAlgorithm
from station.security.csr import MAX_CSR, Subject, make_csr
from station.security.filekeys import FileKeys
from station.security.testpki import read_csr


@pytest.mark.parametrize(
    "algorithm", [KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384, KeyAlgorithm.EC_P521, KeyAlgorithm.RSA_2048]
)
def test_a_request_for_a_station(tmp_path: Path, algorithm: KeyAlgorithm, require_tool: Callable[[str], str]) -> None:
    keys = FileKeys(tmp_path)
    keys.generate("pending", algorithm)
    text = make_csr(keys, "pending", Subject("SN-0815", "Stroh & Söhne GmbH", "DE"))
    assert text.startswith("-----BEGIN CERTIFICATE REQUEST-----\n")
    assert len(text) <= MAX_CSR
    request = read_csr(text)
    assert certificates.rdn(request.subject, NameOID.COMMON_NAME) == ("SN-0815",)  # A00.FR.511
    assert certificates.rdn(request.subject, NameOID.ORGANIZATION_NAME) == ("Stroh & Söhne GmbH",)  # A02.FR.13 of 1.6
    assert certificates.rdn(request.subject, NameOID.COUNTRY_NAME) == ("DE",)
    usage = request.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_cert_sign
    assert certificates.same_key(request.public_key(), keys.key("pending").public_key())
    done = subprocess.run(
        [require_tool("openssl"), "req", "-verify", "-noout"], input=text, capture_output=True, text=True, check=True
    )
    assert "OK" in done.stdout + done.stderr


def test_a_request_for_iso_15118(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    keys.generate("pending", KeyAlgorithm.EC_P256)
    request = read_csr(make_csr(keys, "pending", Subject("DE*PWT*E1", "Org", v2g=True)))
    assert certificates.rdn(request.subject, NameOID.DOMAIN_COMPONENT) == ("CPO",)
    assert request.extensions.get_extension_for_class(x509.KeyUsage).value.key_agreement


def test_the_longest_names_fit(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    keys.generate("pending", KeyAlgorithm.RSA_2048)
    assert len(make_csr(keys, "pending", Subject("ü" * 32, "ö" * 32, "AT"))) <= MAX_CSR


@pytest.mark.parametrize(
    ("common_name", "organisation", "country", "words"),
    [
        ("", "Org", None, "common name.*empty"),
        ("SN", " ", None, "OrganizationName.*empty"),
        ("S" * 65, "Org", None, "at most 64"),
        ("SN\n", "Org", None, "printable"),
        ("SN", "Org", "Germany", "two capital letters"),
        ("https://csms.example", "Org", None, "URL or an IP address"),
        ("192.0.2.1", "Org", None, "URL or an IP address"),
        ("[2001:db8::1]", "Org", None, "URL or an IP address"),
    ],
)
def test_subjects_that_no_ca_may_sign(common_name: str, organisation: str, country: str | None, words: str) -> None:
    with pytest.raises(SecurityError, match=words):
        Subject(common_name, organisation, country)


def test_a_request_needs_its_key(tmp_path: Path) -> None:
    with pytest.raises(SecurityError, match="no key"):
        make_csr(FileKeys(tmp_path), "pending", Subject("SN", "Org"))


@given(st.text(max_size=70), st.text(max_size=70), st.none() | st.text(max_size=3), st.booleans())
def test_any_subject_works_or_is_refused(common_name: str, organisation: str, country: str | None, v2g: bool) -> None:
    import tempfile

    try:
        subject = Subject(common_name, organisation, country, v2g)
    except SecurityError:
        return
    with tempfile.TemporaryDirectory() as folder:
        keys = FileKeys(Path(folder))
        keys.generate("pending", KeyAlgorithm.EC_P256)
        request = read_csr(make_csr(keys, "pending", subject))
    assert certificates.rdn(request.subject, NameOID.COMMON_NAME) == (common_name,)
    assert certificates.rdn(request.subject, NameOID.ORGANIZATION_NAME) == (organisation,)


@given(st.text(max_size=200) | st.binary(max_size=100).map(lambda raw: raw.decode("latin-1")))
def test_any_text_is_no_request(text: str) -> None:
    with pytest.raises(SecurityError):
        read_csr(f"-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
