"""`station.security.chain`: which chains are believed, and why others are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from station.security import certificates
from station.security.api import LeafKind
from station.security.chain import ChainError, Wanted, check_leaf, check_path, host_matches, revoked
from station.security.testpki import Issued
from tests.security.bench import DAY, NOW, pki

KEY = ec.generate_private_key(ec.SECP256R1())
WANTED = Wanted(LeafKind.STATION, KEY.public_key(), "SN-1", "Org")


def csr(common_name: str = "SN-1", organisation: str = "Org") -> str:
    names = [
        x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
    ]
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.serialization import Encoding

    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names)).sign(KEY, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


def roots() -> list[x509.Certificate]:
    return [pki().csms_root.certificate]


def test_a_good_chain() -> None:
    good = check_leaf(pki().sign_station_csr(csr()), WANTED, roots(), NOW)
    assert [certificates.common_name(one) for one in good.chain] == ["SN-1", "Charging Station CA"]
    assert good.root == pki().csms_root.certificate
    assert good.leaf is good.chain[0]


@pytest.mark.parametrize("order", [lambda some: some[::-1], lambda some: [some[1], some[0], some[2]]])
def test_order_and_extra_certificates_do_not_matter(order: Any) -> None:
    brought = [*certificates.load_all(pki().sign_station_csr(csr())), pki().csms_root.certificate]
    good = check_leaf(certificates.pem(order(brought)), WANTED, roots(), NOW)
    assert len(good.chain) == 2, "the root itself is not sent in a handshake"
    more = [*brought, pki().get("iso2/v2g-root").certificate]
    assert len(check_leaf(certificates.pem(more), WANTED, roots(), NOW).chain) == 2


def signed(**how: Any) -> str:
    return pki().sign_station_csr(csr(), **how)


@pytest.mark.parametrize(
    ("make", "reason", "words"),
    [
        (lambda: "junk", "InvalidCertificate", "no certificate"),
        (lambda: signed(not_before=NOW - 30 * DAY, days=29), "InvalidCertificate", "expired"),
        (lambda: signed(common_name="SN-2"), "InvalidCertificate", "common name 'SN-2'"),
        (lambda: signed(organisation="Other"), "InvalidCertificate", "organisation 'Org'"),
        (lambda: signed(issuer="csms/other-root"), "InvalidCertificate", "signed neither by"),
        (lambda: signed(issuer="iso2/cpo-sub2"), "InvalidCertificate", "signed neither by"),
        (lambda: signed(issuer="csms/server"), "InvalidCertificate", "not a CA"),
        (lambda: pki().station("SN-1").chain_pem, "InvalidCertificate", "belongs to the key"),
        (lambda: signed() * 8, "TooLargeElement", "at most 5000"),
    ],
)
def test_a_bad_chain_is_refused_with_its_reason(make: Any, reason: str, words: str) -> None:
    with pytest.raises(ChainError, match=words) as caught:
        check_leaf(make(), WANTED, roots(), NOW, max_size=5000)
    assert caught.value.reason == reason


def test_a_leaf_may_begin_tomorrow_but_its_ca_may_not() -> None:
    """A02.FR.08"""
    assert check_leaf(signed(not_before=NOW + DAY), WANTED, roots(), NOW).chain
    with pytest.raises(ChainError, match="not valid before"):
        check_leaf(signed(not_before=NOW - DAY), WANTED, roots(), NOW - 100 * DAY)


def test_without_a_clock_dates_are_not_looked_at() -> None:
    assert check_leaf(signed(not_before=NOW - 30 * DAY, days=29), WANTED, roots(), None).chain


def test_without_a_root_nothing_is_believed() -> None:
    with pytest.raises(ChainError, match="no root certificate"):
        check_leaf(signed(), WANTED, [], NOW)


def test_a_missing_link() -> None:
    leaf = certificates.load_all(signed())[0]
    with pytest.raises(ChainError, match="signed neither by"):
        check_leaf(certificates.pem([leaf]), WANTED, roots(), NOW)
    # A sub-CA that is installed as a root is good enough.
    assert check_leaf(certificates.pem([leaf]), WANTED, [pki().get("csms/station-ca").certificate], NOW).chain == (
        leaf,
    )


@pytest.mark.parametrize(
    ("extended", "good"),
    [
        ([ExtendedKeyUsageOID.CLIENT_AUTH], True),
        ([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE], True),
        ([ExtendedKeyUsageOID.SERVER_AUTH], False),
    ],
)
def test_extended_key_usage_fits_if_it_is_there(extended: Sequence[x509.ObjectIdentifier], good: bool) -> None:
    leaf = made(extensions=[(x509.ExtendedKeyUsage(extended), False)])
    if good:
        assert check_leaf(leaf, WANTED, roots(), NOW).chain
    else:
        with pytest.raises(ChainError, match="extended key usage"):
            check_leaf(leaf, WANTED, roots(), NOW)


def test_key_usage_must_allow_signatures() -> None:
    flags = dict.fromkeys(
        ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"],
        False,
    )
    usage = x509.KeyUsage(
        digital_signature=False, encipher_only=False, decipher_only=False, **(flags | {"key_encipherment": True})
    )
    with pytest.raises(ChainError, match="digital signatures"):
        check_leaf(made(extensions=[(usage, True)]), WANTED, roots(), NOW)


def test_a_ca_is_no_station() -> None:
    with pytest.raises(ChainError, match="a CA's"):
        check_leaf(made(extensions=[(x509.BasicConstraints(True, None), True)]), WANTED, roots(), NOW)


def made(extensions: Sequence[tuple[x509.ExtensionType, bool]], issuer: str = "csms/root") -> str:
    from cryptography.hazmat.primitives import hashes

    authority = pki().get(issuer)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.load_pem_x509_csr(csr().encode()).subject)
        .issuer_name(authority.certificate.subject)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(certificates.moment(NOW - DAY))
        .not_valid_after(certificates.moment(NOW + DAY))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    assert isinstance(authority.key, ec.EllipticCurvePrivateKey)
    return certificates.pem([builder.sign(authority.key, hashes.SHA256())])


# --- paths --------------------------------------------------------------------------------------------------------------


def path(name: str, root: str, wall: float | None = NOW, **more: Any) -> Any:
    one: Issued = pki().get(name)
    return check_path(one.certificate, one.above, [pki().get(root).certificate], wall, **more)


@pytest.mark.parametrize(
    ("name", "root"),
    [
        ("iso2/secc", "iso2/v2g-root"),
        ("iso2/cps", "iso2/v2g-root"),
        ("iso2/contract", "iso2/mo-root"),
        ("iso2/oem", "iso2/oem-root"),
        ("iso20/secc", "iso20/v2g-root"),
        ("iso20-ed448/contract", "iso20-ed448/mo-root"),
        ("manufacturer/firmware", "manufacturer/root"),
        ("manufacturer/firmware-rsa", "manufacturer/root"),
        ("csms/server", "csms/root"),
    ],
)
def test_every_chain_of_the_test_pki_holds(name: str, root: str) -> None:
    assert path(name, root).root == pki().get(root).certificate


@pytest.mark.parametrize(
    ("name", "root", "words"),
    [
        ("bad/server-expired", "csms/root", "expired"),
        ("bad/server-early", "csms/root", "not valid before"),
        ("bad/server-wrong-ca", "csms/root", "signed neither"),
        ("bad/server-self-signed", "csms/root", "signed neither"),
        ("bad/server-weak", "csms/root", "1024 bits"),
        ("bad/server-by-leaf", "csms/root", "not a CA"),
        ("bad/server-revoked", "csms/root", "revoked"),
        ("bad/server-of-revoked-ca", "csms/root", "revoked"),
        ("csms/server", "bad/root-expired", "signed neither"),
    ],
)
def test_every_defect_is_found(name: str, root: str, words: str) -> None:
    pki().get(name)
    crls = certificates.load_crls(pki().crls_pem("csms"))
    with pytest.raises(ChainError, match=words):
        path(name, root, crls=crls)


def test_the_path_length_is_kept() -> None:
    """A CA below a CA that allows none."""
    leaf = pki().get("iso2/secc")
    short = [pki().get("iso2/cpo-sub2").certificate]
    assert check_path(leaf.certificate, (), short, NOW).chain == (leaf.certificate,)
    sub1 = pki().get("iso2/cpo-sub1").certificate
    limit = sub1.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    assert limit == 1
    assert path("iso2/secc", "iso2/v2g-root").chain[-1] == sub1


def test_an_outdated_list_still_counts_and_a_foreign_one_does_not() -> None:
    one = pki().get("bad/server-revoked")
    authority = pki().get("csms/server-ca")
    crl = pki().crl("csms/server-ca")
    assert revoked(one.certificate, authority.certificate, [crl])
    assert not revoked(pki().server.certificate, authority.certificate, [crl])
    foreign = pki().crl("csms/station-ca", also=[one.certificate])
    assert not revoked(one.certificate, authority.certificate, [foreign])


# --- host names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "common_name", "host", "fits"),
    [
        (["csms.example"], "other", "csms.example", True),
        (["csms.example"], "other", "CSMS.example.", True),
        (["csms.example"], "other", "other", False),  # with dNSName entries the CN does not count
        ([], "csms.example", "csms.example", True),  # A00.FR.510
        (["*.example.org"], "x", "csms.example.org", True),
        (["*.example.org"], "x", "a.b.example.org", False),
        (["*.example.org"], "x", "example.org", False),
        (["*.org"], "x", "example.org", False),
        (["c*.example.org"], "x", "csms.example.org", False),
        (["*"], "x", "localhost", False),
        ([], "192.0.2.1", "192.0.2.1", False),
        (["192.0.2.1"], "x", "192.0.2.1", True),
        (["2001:db8::1"], "x", "[2001:db8::1]", True),
        (["192.0.2.1"], "x", "192.0.2.2", False),
    ],
)
def test_host_names(names: list[str], common_name: str, host: str, fits: bool) -> None:
    from station.security.testpki import _general_name

    extensions: list[tuple[x509.ExtensionType, bool]] = (
        [(x509.SubjectAlternativeName([_general_name(name) for name in names]), False)] if names else []
    )
    chain = pki().sign_station_csr(csr(common_name)) if not names else made(extensions)
    certificate = certificates.load_all(chain)[0]
    assert host_matches(certificate, host) is fits


@given(st.text(max_size=300), st.integers(0, 5000))
def test_any_text_is_a_chain_or_a_reason(noise: str, cut: int) -> None:
    reasons = set()
    for text in (noise, signed()[:cut] + noise + signed()[cut:]):
        try:
            check_leaf(text, WANTED, roots(), NOW)
        except ChainError as error:
            reasons.add(error.reason)
    assert reasons <= {"InvalidCertificate", "TooLargeElement"}
