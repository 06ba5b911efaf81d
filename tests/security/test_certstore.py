"""`station.security.certstore`: what may be installed, what is used, and that nothing is lost between two file operations."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from station.core.types import Credentials
from station.errors import SecurityError
from station.security import certificates, files
from station.security.api import CertificateUse, HashData, KeyAlgorithm, LeafKind, Outcome
from station.security.certstore import CertStore
from station.security.csr import Subject
from station.security.filekeys import FileKeys
from station.security.testpki import TestPki
from station.security.tls import client_context, server_context
from tests.security.bench import DAY, NOW, handshake, pki
from tests.security.power import power

US = Subject("SN-1", "Org")
SECC = Subject("DE*PWT*E1", "Org", "DE", v2g=True)
CSMS, V2G = CertificateUse.CSMS_ROOT, CertificateUse.V2G_ROOT
ACCEPTED = Outcome("Accepted")


def opened(folder: Path, **more: Any) -> CertStore:
    return CertStore(folder / "certs", FileKeys(folder / "keys"), **more)


@pytest.fixture
def store(tmp_path: Path) -> CertStore:
    return opened(tmp_path)


def install(store: CertStore, name: str, use: CertificateUse = CSMS, **more: Any) -> Outcome:
    return store.install(use, pki().get(name).pem, NOW, **more)


def renew(store: CertStore, kind: LeafKind = LeafKind.STATION, **how: Any) -> Outcome:
    subject = US if kind is LeafKind.STATION else SECC
    return store.signed(kind, pki().sign_station_csr(store.request(kind, subject), kind=kind, **how), NOW)


# --- M05: installing ----------------------------------------------------------------------------------------------------


def test_an_empty_store(store: CertStore) -> None:
    assert store.installed() == ()
    assert store.credentials(NOW) == Credentials()
    assert store.tls_settings(NOW, client=False).ca_file is None
    assert store.leaf(LeafKind.STATION, NOW) is None
    assert store.next_change(NOW) is None


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (CSMS, "csms/root"),
        (CertificateUse.MANUFACTURER_ROOT, "manufacturer/root"),
        (V2G, "iso2/v2g-root"),
        (CertificateUse.MO_ROOT, "iso2/mo-root"),
        (V2G, "iso20/v2g-root"),
        (V2G, "iso20-ed448/v2g-root"),
    ],
)
def test_roots_of_every_kind(store: CertStore, use: CertificateUse, name: str) -> None:
    """M05.FR.02, M03.FR.04"""
    assert install(store, name, use) == ACCEPTED
    root = pki().get(name).certificate
    (one,) = store.installed()
    assert (one.use, one.hash, one.children) == (use, certificates.hash_data(root, root), ())
    assert store.installed(frozenset({use})) == (one,)
    assert store.installed(frozenset(CertificateUse) - {use}) == ()
    assert store.roots(use) == (root,)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bad/root-expired", "expired"),
        ("bad/root-weak", "1024"),
        ("bad/root-no-ca", "not a CA"),
        ("csms/server", "not a CA"),
    ],
)
def test_an_invalid_root_is_rejected(store: CertStore, name: str, words: str) -> None:
    """M05.FR.07"""
    outcome = install(store, name)
    assert (outcome.status, outcome.reason) == ("Rejected", "InvalidCertificate")
    assert words in (outcome.info or "")
    assert store.count() == 0


@pytest.mark.parametrize("text", ["", "junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_junk_is_rejected(store: CertStore, text: str) -> None:
    assert store.install(CSMS, text, NOW).status == "Rejected"


def test_several_certificates_and_long_texts_are_rejected(store: CertStore) -> None:
    assert (
        store.install(CSMS, pki().csms_root.pem + pki().get("csms/other-root").pem, NOW).reason == "InvalidCertificate"
    )
    assert store.install(CSMS, pki().csms_root.pem + "x" * 6000, NOW).reason == "TooLargeElement"
    assert store.install(CertificateUse.STATION, pki().csms_root.pem, NOW).reason == "UnsupportedParam"


def test_a_signature_that_does_not_hold_is_rejected(store: CertStore) -> None:
    import base64

    der = bytearray(base64.b64decode("".join(pki().csms_root.pem.splitlines()[1:-1])))
    der[-1] ^= 1
    text = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(der).decode()}\n-----END CERTIFICATE-----\n"
    assert store.install(CSMS, text, NOW).info == "its own signature does not hold"


def test_without_a_clock_an_old_root_is_taken(store: CertStore) -> None:
    assert store.install(CSMS, pki().get("bad/root-expired").pem, None) == ACCEPTED
    assert store.credentials(NOW).csms_roots == 0
    assert store.credentials(None).csms_roots == 1


def test_there_is_a_limit(tmp_path: Path) -> None:
    """M05.FR.06"""
    store = opened(tmp_path, limit=2)
    assert install(store, "csms/root") == ACCEPTED
    assert install(store, "iso2/v2g-root", V2G) == ACCEPTED
    outcome = install(store, "csms/other-root")
    assert (outcome.status, outcome.reason) == ("Rejected", "OutOfStorage")
    assert install(store, "csms/root") == ACCEPTED, "it is there already (M05.FR.17)"
    assert store.count() == 2


def test_the_same_root_twice_is_one(store: CertStore) -> None:
    """M05.FR.17"""
    assert install(store, "csms/root") == install(store, "csms/root") == ACCEPTED
    assert store.count() == 1


def test_a_full_disk_fails(store: CertStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """M05.FR.03"""

    def full(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "write", full)
        assert install(store, "csms/root").status == "Failed"
    assert store.count() == 0
    assert install(store, "csms/root") == ACCEPTED


# --- AdditionalRootCertificateCheck -------------------------------------------------------------------------------------


class TestAdditionalRootCheck:
    def test_a_foreign_root_is_rejected(self, store: CertStore) -> None:
        """M05.FR.11"""
        install(store, "csms/root", additional_root_check=True)
        outcome = install(store, "csms/other-root", additional_root_check=True)
        assert outcome.status == "Rejected"
        assert "AdditionalRootCertificateCheck" in (outcome.info or "")
        assert store.roots(CSMS) == (pki().csms_root.certificate,)

    async def test_the_successor_replaces_it_and_the_old_one_is_kept(self, store: CertStore) -> None:
        """M05.FR.09, .12, .13, .14"""
        install(store, "csms/root", additional_root_check=True)
        assert install(store, "csms/next-root", additional_root_check=True) == ACCEPTED
        assert store.roots(CSMS) == (pki().get("csms/next-root").certificate,)
        assert store.has_fallback()
        old, new = pki().csms_root.certificate, pki().get("csms/next-root").certificate
        listed = {one.hash for one in store.installed(frozenset({CSMS}))}
        assert listed == {certificates.hash_data(old, old), certificates.hash_data(new, old)}
        server, next_server = (pki().get(f"csms/{name}") for name in ("server", "next-server"))
        for one, fallback, good in (
            (next_server, False, True),
            (server, False, False),
            (server, True, True),
        ):
            client = client_context(store.tls_settings(NOW, client=False, fallback=fallback))
            error = await handshake(server_context(one.cert_file, one.key_file), client)
            assert (error is None) is good
        store.confirm_root()
        assert not store.has_fallback()
        assert {one.hash for one in store.installed()} == {certificates.hash_data(new, old)}, (
            "its name stays what it was"
        )

    def test_only_one_fallback_is_kept(self, store: CertStore, tmp_path: Path) -> None:
        third = TestPki(NOW)
        install(store, "csms/root")
        install(store, "csms/next-root", additional_root_check=True)
        text = third.csms_root.pem
        assert store.install(CSMS, text, NOW, additional_root_check=True).status == "Rejected"
        assert store.count() == 2

    def test_the_first_root_needs_no_voucher(self, store: CertStore) -> None:
        assert install(store, "csms/other-root", additional_root_check=True) == ACCEPTED

    def test_other_kinds_are_not_concerned(self, store: CertStore) -> None:
        install(store, "iso2/v2g-root", V2G, additional_root_check=True)
        assert install(store, "iso20/v2g-root", V2G, additional_root_check=True) == ACCEPTED
        assert len(store.roots(V2G)) == 2

    def test_turned_on_later_only_the_signer_is_kept(self, store: CertStore) -> None:
        install(store, "csms/other-root")
        install(store, "csms/root")
        assert install(store, "csms/next-root", additional_root_check=True) == ACCEPTED
        assert store.count() == 2
        store.confirm_root()
        assert store.roots(CSMS) == (pki().get("csms/next-root").certificate,)


# --- M04: deleting ------------------------------------------------------------------------------------------------------


def test_deleting(store: CertStore) -> None:
    """M04.FR.02, .04"""
    install(store, "csms/root")
    install(store, "iso2/v2g-root", V2G)
    for algorithm in ("SHA384", "sha512"):
        root = pki().get("iso2/v2g-root").certificate
        which = certificates.hash_data(root, root, algorithm.upper())
        shouted = HashData(algorithm, which.issuer_name_hash.upper(), which.issuer_key_hash, "0" + which.serial_number)
        assert store.delete(shouted) == ACCEPTED
        assert store.delete(shouted) == Outcome("NotFound")
        install(store, "iso2/v2g-root", V2G)
    assert store.delete(HashData("MD5", "", "", "")) == Outcome("NotFound")
    assert store.count() == 2


def test_the_last_csms_root_can_be_protected(store: CertStore) -> None:
    """M04.FR.03"""
    install(store, "csms/root")
    (one,) = store.installed()
    assert store.delete(one.hash, keep_csms_root=True).status == "Failed"
    install(store, "csms/other-root")
    assert store.delete(one.hash, keep_csms_root=True) == ACCEPTED
    (other,) = store.installed()
    assert store.delete(other.hash) == ACCEPTED
    assert store.tls_settings(NOW, client=False).ca_file is None


def test_the_station_certificate_cannot_be_deleted(store: CertStore) -> None:
    """M04.FR.06"""
    install(store, "csms/root")
    assert renew(store) == ACCEPTED
    (own,) = store.installed(frozenset({CertificateUse.STATION}))
    assert store.delete(own.hash).status == "Failed"
    assert store.credentials(NOW).station_certificate


@pytest.mark.parametrize("which", [0, 1, 2])
def test_a_v2g_chain_is_deleted_by_any_of_its_certificates(store: CertStore, which: int) -> None:
    """M04.FR.08"""
    install(store, "iso2/v2g-root", V2G)
    assert renew(store, LeafKind.V2G) == ACCEPTED
    (chain,) = store.installed(frozenset({CertificateUse.V2G_CHAIN}))
    label = store.leaves(LeafKind.V2G)[0].label
    assert store.delete([chain.hash, *chain.children][which]) == ACCEPTED
    assert store.leaves(LeafKind.V2G) == ()
    assert not store.keys.has(label)
    assert len(store.installed()) == 1


# --- M03: listing -------------------------------------------------------------------------------------------------------


def test_the_children_of_a_v2g_chain(store: CertStore) -> None:
    """M03.FR.05"""
    install(store, "iso2/v2g-root", V2G)
    renew(store, LeafKind.V2G)
    (chain,) = store.installed(frozenset({CertificateUse.V2G_CHAIN}))
    root, sub1, sub2 = (pki().get(f"iso2/{name}").certificate for name in ("v2g-root", "cpo-sub1", "cpo-sub2"))
    leaf = store.leaves(LeafKind.V2G)[0].chain[0]
    assert chain.hash == certificates.hash_data(leaf, sub2)
    assert chain.children == (certificates.hash_data(sub2, sub1), certificates.hash_data(sub1, root))
    assert chain in store.installed(None)


def test_the_station_certificate_is_listed_only_when_asked_for(store: CertStore) -> None:
    install(store, "csms/root")
    renew(store)
    assert {one.use for one in store.installed()} == {CSMS}
    assert {one.use for one in store.installed(frozenset(CertificateUse))} == {CSMS, CertificateUse.STATION}


# --- A02: our own certificate -------------------------------------------------------------------------------------------


async def test_a_new_certificate_is_used_in_a_handshake(store: CertStore) -> None:
    install(store, "csms/root")
    assert renew(store) == ACCEPTED
    assert store.credentials(NOW) == Credentials(csms_roots=1, station_certificate=True, entries=2)
    assert store.pending_request(LeafKind.STATION) is None
    server = server_context(pki().server.cert_file, pki().server.key_file, client_ca_file=pki().csms_root.pem_file)
    assert await handshake(server, client_context(store.tls_settings(NOW, client=True))) is None
    assert await handshake(server, client_context(store.tls_settings(NOW, client=False))) is not None


def test_no_certificate_no_profile_3(store: CertStore) -> None:
    with pytest.raises(SecurityError, match="no valid station certificate"):
        store.tls_settings(NOW, client=True)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"not_before": NOW - 9 * DAY, "days": 8}, "expired"),
        ({"issuer": "csms/other-root"}, "signed neither"),
        ({"common_name": "SN-2"}, "common name"),
        ({"organisation": "Other"}, "organisation"),
    ],
)
def test_a_wrong_certificate_is_rejected_and_the_request_stays(
    store: CertStore, how: dict[str, Any], words: str
) -> None:
    """A02.FR.06, .07"""
    install(store, "csms/root")
    outcome = renew(store, **how)
    assert (outcome.status, outcome.reason) == ("Rejected", "InvalidCertificate")
    assert words in (outcome.info or "")
    request = store.pending_request(LeafKind.STATION)
    assert request is not None
    assert store.signed(LeafKind.STATION, pki().sign_station_csr(request), NOW) == ACCEPTED


def test_a_certificate_nobody_asked_for_is_rejected(store: CertStore) -> None:
    install(store, "csms/root")
    assert "no signing request" in (store.signed(LeafKind.STATION, pki().station("SN-1").chain_pem, NOW).info or "")
    old = store.request(LeafKind.STATION, US)
    store.request(LeafKind.STATION, US)
    assert "belongs to the key" in (store.signed(LeafKind.STATION, pki().sign_station_csr(old), NOW).info or "")
    store.forget_request(LeafKind.STATION)
    store.forget_request(LeafKind.STATION)
    assert store.pending_request(LeafKind.STATION) is None


def test_a_chain_over_the_limit_is_rejected(store: CertStore) -> None:
    """A02.FR.16"""
    install(store, "csms/root")
    text = pki().sign_station_csr(store.request(LeafKind.STATION, US))
    assert store.signed(LeafKind.STATION, text, NOW, max_size=100).reason == "TooLargeElement"


def test_the_same_answer_twice_is_accepted_twice(store: CertStore) -> None:
    install(store, "csms/root")
    text = pki().sign_station_csr(store.request(LeafKind.STATION, US))
    assert store.signed(LeafKind.STATION, text, NOW) == ACCEPTED
    assert store.signed(LeafKind.STATION, text, NOW) == ACCEPTED
    assert len(store.leaves(LeafKind.STATION)) == 1


def test_the_request_survives_a_restart(tmp_path: Path) -> None:
    """A02.FR.17: the same request is sent again."""
    store = opened(tmp_path)
    install(store, "csms/root")
    request = store.request(LeafKind.STATION, US, KeyAlgorithm.EC_P384)
    again = opened(tmp_path)
    assert again.pending_request(LeafKind.STATION) == request
    assert again.signed(LeafKind.STATION, pki().sign_station_csr(request), NOW) == ACCEPTED


def test_the_newest_valid_certificate_is_used(store: CertStore) -> None:
    """A02.FR.08, .09"""
    install(store, "csms/root")
    renew(store, not_before=NOW - 10 * DAY)
    first = store.leaf(LeafKind.STATION, NOW)
    renew(store, not_before=NOW + DAY)
    assert store.leaf(LeafKind.STATION, NOW) == first
    assert store.next_change(NOW) == int(NOW + DAY)
    later = store.leaf(LeafKind.STATION, NOW + 2 * DAY)
    assert later != first
    assert later is not None
    assert store.next_change(NOW + 2 * DAY) == later.not_after
    renew(store, not_before=NOW - 20 * DAY)
    assert store.leaf(LeafKind.STATION, NOW) == first


def test_replaced_certificates_stay_for_a_month(store: CertStore) -> None:
    """A02.FR.10"""
    install(store, "csms/root")
    renew(store, not_before=NOW - 5 * DAY)
    old = store.leaf(LeafKind.STATION, NOW)
    renew(store, not_before=NOW - DAY)
    new = store.leaf(LeafKind.STATION, NOW)
    assert old is not None
    assert new is not None
    store.tidy(NOW + 20 * DAY)
    assert len(store.leaves(LeafKind.STATION)) == 2
    store.tidy(NOW + 40 * DAY)
    assert store.leaves(LeafKind.STATION) == (new,)
    assert not store.keys.has(old.label)
    store.tidy(NOW + 4000 * DAY)
    assert store.leaves(LeafKind.STATION) == (new,), "the last one stays, however old"


def test_a_csms_that_renews_every_day_does_not_fill_the_store(store: CertStore) -> None:
    install(store, "csms/root")
    for days in range(9, 0, -1):
        renew(store, not_before=NOW - days * DAY)
    assert len(store.leaves(LeafKind.STATION)) == 4
    assert store.leaf(LeafKind.STATION, NOW) == store.leaves(LeafKind.STATION)[0]
    assert len(list((store.keys.folder).glob("station-*.key"))) == 4  # type: ignore[attr-defined]  # keys in files


def test_v2g_leaves_of_several_roots(store: CertStore) -> None:
    """A02.FR.15"""
    install(store, "iso2/v2g-root", V2G)
    install(store, "iso20/v2g-root", V2G)
    renew(store, LeafKind.V2G, not_before=NOW - 3 * DAY)
    renew(store, LeafKind.V2G, not_before=NOW - 2 * DAY)
    renew(store, LeafKind.V2G, issuer="iso20/cpo-sub2")
    assert len(store.leaves(LeafKind.V2G)) == 3
    newest = store.v2g_leaves(NOW)
    assert [int(NOW - leaf.not_before) // int(DAY) for leaf in newest] == [1, 2]


# --- what people put there ----------------------------------------------------------------------------------------------


def test_a_technician_s_files_count_at_once(tmp_path: Path, store: CertStore, caplog: pytest.LogCaptureFixture) -> None:
    certs = tmp_path / "certs"
    both = pki().csms_root.pem + pki().get("csms/other-root").pem
    (certs / "csms" / "operator.pem").write_text(both.replace("\n", "\r\n"))
    (certs / "v2g" / "junk.pem").write_text("junk")
    (certs / "v2g" / "README").write_text("not a certificate")
    assert store.count() == 2
    assert store.credentials(NOW).csms_roots == 2
    assert "junk.pem" in caplog.text
    bundle = store.tls_settings(NOW, client=False).ca_file
    assert bundle is not None
    assert len(certificates.load_all(Path(bundle).read_text())) == 2
    (one, other) = store.installed(frozenset({CSMS}))
    assert store.delete(one.hash) == ACCEPTED
    assert store.installed() == (other,)


def test_a_factory_s_station_certificate(tmp_path: Path, store: CertStore) -> None:
    """A00.FR.801: chain and key are put there by hand, under one name."""
    made = pki().station("SN-1")
    (tmp_path / "certs" / "station" / "factory.pem").write_text(made.chain_pem)
    assert not store.credentials(NOW).station_certificate, "without its key it proves nothing"
    (tmp_path / "keys" / "factory.key").write_text(made.key_pem)
    assert store.credentials(NOW).station_certificate
    settings = store.tls_settings(NOW, client=True)
    assert client_context(settings)


async def test_revocation_lists_are_used(tmp_path: Path, store: CertStore) -> None:
    install(store, "csms/root")
    one = pki().get("bad/server-revoked")
    assert (
        await handshake(
            server_context(one.cert_file, one.key_file), client_context(store.tls_settings(NOW, client=False))
        )
        is None
    )
    (tmp_path / "certs" / "crls" / "operator.pem").write_text(pki().crls_pem("csms"))
    (tmp_path / "certs" / "crls" / "junk.pem").write_text("junk")
    client = client_context(store.tls_settings(NOW, client=False))
    error = await handshake(server_context(one.cert_file, one.key_file), client)
    assert isinstance(error, ssl.SSLCertVerificationError)
    assert len(store.crls()) > 2


# --- power cuts ---------------------------------------------------------------------------------------------------------


def picture(store: CertStore) -> tuple[Any, ...]:
    """Everything that can be asked."""
    bundles = []
    for fallback in (False, True):
        name = store.tls_settings(NOW, client=False, fallback=fallback).ca_file
        bundles.append(Path(name).read_text() if name else None)
    return (
        frozenset(store.installed(frozenset(CertificateUse))),
        store.roots(CSMS),
        store.has_fallback(),
        tuple(leaf.label for kind in LeafKind for leaf in store.leaves(kind)),
        store.credentials(NOW),
        tuple(bundles),
    )


def consistent(store: CertStore) -> None:
    for kind in LeafKind:
        request = store.pending_request(kind)
        if request is not None:
            from cryptography import x509

            asked = x509.load_pem_x509_csr(request.encode())
            label = "pending-station" if kind is LeafKind.STATION else "pending-v2g-chain"
            assert certificates.same_key(asked.public_key(), store.keys.key(label).public_key())
        for leaf in store.leaves(kind):
            assert certificates.same_key(leaf.chain[0].public_key(), store.keys.key(leaf.label).public_key())


def prepared(folder: Path) -> CertStore:
    store = opened(folder)
    install(store, "csms/root")
    install(store, "iso2/v2g-root", V2G)
    renew(store)
    renew(store, LeafKind.V2G)
    store.request(LeafKind.STATION, US)
    return store


def _signed(store: CertStore) -> object:
    request = store.pending_request(LeafKind.STATION)
    return store.signed(LeafKind.STATION, _answer(request), NOW) if request is not None else None


_ANSWERS: dict[str, str] = {}


def _answer(request: str) -> str:
    if request not in _ANSWERS:
        _ANSWERS[request] = pki().sign_station_csr(request)
    return _ANSWERS[request]


OPERATIONS: dict[str, Callable[[CertStore], object]] = {
    "install": lambda store: install(store, "csms/other-root"),
    "replace a root": lambda store: install(store, "csms/next-root", additional_root_check=True),
    "delete a root": lambda store: [store.delete(one.hash) for one in store.installed(frozenset({CSMS}))],
    "delete a chain": lambda store: [
        store.delete(one.hash) for one in store.installed(frozenset({CertificateUse.V2G_CHAIN}))
    ],
    "signed": _signed,
    "tidy": lambda store: store.tidy(NOW + 4000 * DAY),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_power_cut_leaves_all_or_nothing(tmp_path: Path, name: str) -> None:
    operation = OPERATIONS[name]
    prepared(tmp_path / "base")
    before = picture(opened(tmp_path / "base"))
    shutil.copytree(tmp_path / "base", tmp_path / "done")
    operation(opened(tmp_path / "done"))
    after = picture(opened(tmp_path / "done"))
    seen = set()
    for at in range(1000):
        folder = tmp_path / "try"
        shutil.copytree(tmp_path / "base", folder)
        store = opened(folder)
        with power(at) as cutting:
            operation(store)
        again = opened(folder)
        found = picture(again)
        assert found in (before, after), f"after {cutting.done}"
        seen.add(found == after)
        consistent(again)
        assert not list(folder.rglob("change.json"))
        operation(again)  # what was interrupted can be asked for again
        assert picture(again) == after
        shutil.rmtree(folder)
        if not cutting.failed:
            break
    else:
        pytest.fail("it never ends")
    assert seen == ({True, False} if before != after else {True})


def test_a_power_cut_while_finishing_an_interrupted_change(tmp_path: Path) -> None:
    """Twice unlucky."""
    operation = OPERATIONS["replace a root"]
    prepared(tmp_path / "base")
    shutil.copytree(tmp_path / "base", tmp_path / "done")
    operation(opened(tmp_path / "done"))
    after = picture(opened(tmp_path / "done"))
    # Just after the moment of truth.
    for at in range(1000):
        shutil.rmtree(tmp_path / "cut", ignore_errors=True)
        shutil.copytree(tmp_path / "base", tmp_path / "cut")
        with power(at):
            operation(opened(tmp_path / "cut"))
        if (tmp_path / "cut" / "certs" / "change.json").exists():
            break
    for at in range(1000):
        folder = tmp_path / "try"
        shutil.copytree(tmp_path / "cut", folder)
        with power(at) as cutting:
            opened(folder)
        assert picture(opened(folder)) == after
        shutil.rmtree(folder)
        if not cutting.failed:
            return


def test_a_power_cut_while_a_key_is_made_leaves_no_request_without_its_key(tmp_path: Path) -> None:
    prepared(tmp_path / "base")
    for at in range(1000):
        folder = tmp_path / "try"
        shutil.copytree(tmp_path / "base", folder)
        store = opened(folder)
        with power(at) as cutting:
            store.request(LeafKind.STATION, US)
        consistent(opened(folder))
        shutil.rmtree(folder)
        if not cutting.failed:
            return


@pytest.mark.parametrize(
    "content",
    [
        "",
        "junk",
        "{}",
        '[["put", "../../etc/passwd", "x"]]',
        '[["put", "csms/../x", "x"]]',
        '[["format", "disk", ""]]',
        "[[1,2,3]]",
    ],
)
def test_a_damaged_journal_is_set_aside(tmp_path: Path, content: str) -> None:
    prepared(tmp_path)
    before = picture(opened(tmp_path))
    (tmp_path / "certs" / "change.json").write_text(content)
    assert picture(opened(tmp_path)) == before
    assert (tmp_path / "certs" / "change.unreadable").exists()
    assert not (tmp_path / "x").exists()


def test_what_a_full_disk_interrupted_is_finished_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = prepared(tmp_path)
    real = files.os.replace
    count = 0

    def replace(one: Any, other: Any) -> None:
        nonlocal count
        count += 1
        if count > 1:
            raise OSError(28, "No space left on device")
        real(one, other)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", replace)
        assert install(store, "csms/next-root", additional_root_check=True).status == "Failed"
    assert install(store, "iso20/v2g-root", V2G) == ACCEPTED
    assert store.roots(CSMS) == (pki().get("csms/next-root").certificate,)
    assert len(store.roots(V2G)) == 2


@settings(max_examples=50)
@given(st.sampled_from(CertificateUse), st.text(max_size=200), st.integers(0, 700))
def test_any_text_has_an_outcome(use: CertificateUse, noise: str, cut: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = opened(Path(folder))
        good = pki().csms_root.pem
        for text in (noise, good[:cut] + noise + good[cut:]):
            assert store.install(use, text, NOW).status in {"Accepted", "Rejected"}
            assert store.signed(LeafKind.STATION, text, NOW).status == "Rejected"
        assert store.delete(HashData(noise, noise, noise, noise)).status == "NotFound"
