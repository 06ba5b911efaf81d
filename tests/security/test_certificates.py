"""`station.security.certificates`: PEM in and out, hash data as OCPP wants it, strength."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from station.errors import SecurityError
from station.security import certificates
from station.security.api import HashData
from tests.security.bench import NOW, pki


@pytest.mark.parametrize("algorithm", ["SHA256", "SHA384", "SHA512"])
@pytest.mark.parametrize(
    ("name", "issuer"),
    [("csms/server", "csms/server-ca"), ("csms/root", "csms/root"), ("csms/server-rsa", "csms/server-ca")],
)
def test_hash_data_is_what_the_specification_says(name: str, issuer: str, algorithm: str) -> None:
    """Computed here from the words of the specification: DER of the issuer's name; the key without tag, length and unused bits."""
    one, above = pki().get(name).certificate, pki().get(issuer).certificate
    made = certificates.hash_data(one, above, algorithm)
    key = above.public_key()
    content = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)  # what the BIT STRING of an EC key holds
    assert made.issuer_name_hash == hashlib.new(algorithm, one.issuer.public_bytes()).hexdigest()
    assert made.issuer_key_hash == hashlib.new(algorithm, content).hexdigest()
    assert int(made.serial_number, 16) == one.serial_number
    assert not made.serial_number.startswith("0")
    assert made.serial_number == made.serial_number.lower()


def test_hash_data_agrees_with_openssl(require_tool: Callable[[str], str], tmp_path: object) -> None:
    """`openssl ocsp` prints what it puts into its request."""
    tool = require_tool("openssl")
    for name, issuer in (("csms/server", "csms/server-ca"), ("manufacturer/firmware-rsa", "manufacturer/root")):
        one, above = pki().get(name), pki().get(issuer)
        arguments = [tool, "ocsp", "-sha256", "-issuer", above.pem_file, "-cert", one.pem_file, "-req_text"]
        text = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
        made = certificates.hash_data(one.certificate, above.certificate)
        assert re.search(rf"Issuer Name Hash: {made.issuer_name_hash}", text, re.IGNORECASE)
        assert re.search(rf"Issuer Key Hash: {made.issuer_key_hash}", text, re.IGNORECASE)
        serial = re.search(r"Serial Number: (\w+)", text)
        assert serial is not None
        assert serial[1].lower().lstrip("0") == made.serial_number


def test_hash_data_knows_its_algorithms() -> None:
    root = pki().csms_root.certificate
    with pytest.raises(SecurityError, match="SHA256, SHA384, SHA512"):
        certificates.hash_data(root, root, "SHA1")


def test_hash_data_is_compared_as_csmss_write_it() -> None:
    made = certificates.hash_data(pki().csms_root.certificate, pki().csms_root.certificate)
    shouted = HashData(
        "sha256", made.issuer_name_hash.upper(), made.issuer_key_hash.upper(), "00" + made.serial_number.upper()
    )
    assert made.same(shouted)
    assert not made.same(HashData("SHA384", made.issuer_name_hash, made.issuer_key_hash, made.serial_number))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", ""),
        lambda text: text.replace("\n", " "),
        lambda text: "Subject: CN=somebody\n" + text + "\nwords after\n",
        lambda text: "\ufeff" + text.strip(),
    ],
)
def test_pem_as_csmss_send_it(spoil: Callable[[str], str]) -> None:
    assert certificates.load(spoil(pki().csms_root.pem)) == pki().csms_root.certificate


def test_one_means_one() -> None:
    with pytest.raises(SecurityError, match="holds 2 certificates"):
        certificates.load(pki().server.chain_pem)
    assert len(certificates.load_all(pki().server.chain_pem)) == 2
    with pytest.raises(SecurityError, match="no certificate"):
        certificates.load(pki().csms_root.key_pem)


def broken(text: str, position: int, byte: int) -> str:
    block = text.split("-----")
    lines = list("".join(block[2].split()))
    lines[position % len(lines)] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="[byte % 65]
    return f"-----BEGIN CERTIFICATE-----\n{''.join(lines)}\n-----END CERTIFICATE-----\n"


@given(st.text(max_size=300), st.integers(0, 10_000), st.integers(0, 64))
def test_any_text_is_a_certificate_or_a_clear_error(noise: str, position: int, byte: int) -> None:
    for text in (
        noise,
        f"-----BEGIN CERTIFICATE-----\n{noise}\n-----END CERTIFICATE-----",
        broken(pki().server.pem, position, byte),
    ):
        try:
            one = certificates.load(text)
        except SecurityError:
            continue
        # What was read can be asked for everything.
        certificates.hash_data(one, one)
        certificates.is_ca(one)
        certificates.weakness(one)
        certificates.named(one)
        certificates.issued_by(one, pki().get("csms/server-ca").certificate)


@given(st.binary(max_size=400))
def test_any_bytes_are_no_revocation_list(content: bytes) -> None:
    import base64

    text = f"-----BEGIN X509 CRL-----\n{base64.b64encode(content).decode()}\n-----END X509 CRL-----"
    with pytest.raises(SecurityError):
        certificates.load_crls(text)


def test_long_texts_are_refused_before_they_are_read() -> None:
    with pytest.raises(SecurityError, match="over 100000"):
        certificates.load("x" * 200_000)


def test_revocation_lists() -> None:
    crls = certificates.load_crls(pki().crls_pem("csms"))
    assert {crl.issuer for crl in crls} >= {pki().csms_root.certificate.subject}
    root = pki().csms_root.certificate
    assert any(certificates.issued_by(crl, root) for crl in crls)
    assert not any(certificates.issued_by(crl, pki().get("manufacturer/root").certificate) for crl in crls)


def test_strength() -> None:
    assert certificates.weakness(pki().server.certificate) is None
    assert certificates.weakness(pki().get("csms/server-rsa").certificate) is None
    assert certificates.weakness(pki().get("iso20-ed448/v2g-root").certificate) is None
    weak = certificates.weakness(pki().get("bad/root-weak").certificate)
    assert weak is not None
    assert "1024" in weak


def test_who_is_a_ca() -> None:
    assert certificates.is_ca(pki().csms_root.certificate)
    assert not certificates.is_ca(pki().server.certificate)
    assert not certificates.is_ca(pki().get("bad/root-no-ca").certificate)


def test_who_issued_what() -> None:
    root, server, authority = (pki().get(f"csms/{name}").certificate for name in ("root", "server", "server-ca"))
    assert certificates.issued_by(server, authority)
    assert not certificates.issued_by(server, root)
    assert certificates.find_issuer(server, [root, authority]) == authority
    assert certificates.find_issuer(root, []) == root
    assert certificates.find_issuer(server, [root]) is None
    assert certificates.self_issued(root)
    assert not certificates.self_issued(server)


def test_names_and_dates() -> None:
    one = pki().server.certificate
    assert certificates.named(one).startswith("'localhost' (serial ")
    assert certificates.not_before(one) < NOW < certificates.not_after(one)
    assert certificates.rdn(one.subject, x509.NameOID.ORGANIZATION_NAME) == ("Pilotwire Test",)
    assert len(certificates.fingerprint(one)) == 64
