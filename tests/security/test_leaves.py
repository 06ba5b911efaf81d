"""A certificate of our own: when it may be used, and which ones replace each other; which go when one has worked."""

from __future__ import annotations

from pathlib import Path

import pytest

from station.security.api import CertificateUse, LeafKind
from station.security.certstore import CertStore
from station.security.csr import Subject
from station.security.filekeys import FileKeys
from station.security.leaves import Leaf
from station.security.testpki import TestPki

NOW = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def pki() -> TestPki:
    return TestPki(NOW, organisation="Operator")


@pytest.fixture
def store(tmp_path: Path, pki: TestPki) -> CertStore:
    store = CertStore(tmp_path / "certificates", FileKeys(tmp_path / "keys"))
    assert store.install(CertificateUse.CSMS_ROOT, pki.csms_root.pem, NOW).status == "Accepted"
    return store


def own(store: CertStore, pki: TestPki, *begins: float) -> tuple[Leaf, ...]:
    """Certificates that begin so many days from now; the newest first."""
    for days in begins:
        csr = store.request(LeafKind.STATION, Subject("SN-1", "Operator"))
        chain = pki.sign_station_csr(csr, not_before=NOW + days * DAY, days=30)
        assert store.signed(LeafKind.STATION, chain, NOW).status == "Accepted"
    return store.leaves(LeafKind.STATION)


def labels(store: CertStore) -> list[str]:
    return [leaf.label for leaf in store.leaves(LeafKind.STATION)]


def test_it_is_valid_between_its_dates(store: CertStore, pki: TestPki) -> None:
    (leaf,) = own(store, pki, -1)
    assert (leaf.not_before, leaf.not_after) == (NOW - DAY, NOW + 29 * DAY)
    assert [leaf.valid(NOW + days * DAY) for days in (-2, 0, 28, 30)] == [False, True, True, False]
    assert leaf.valid(None), "while the clock is not known dates are not looked at"
    assert leaf.family == b""


def test_the_newest_worked_so_the_older_ones_go(store: CertStore, pki: TestPki) -> None:
    """A02.FR.10. One that begins later is still to come."""
    later, newest, _older, _oldest = own(store, pki, -3, -2, -1, 5)
    assert len(store.settle(newest.label, NOW, newer_failed=False)) == 2
    assert labels(store) == [later.label, newest.label]
    assert store.settle(newest.label, NOW, newer_failed=False) == ()
    assert len(list(store.leaves(LeafKind.STATION))) == 2


def test_the_way_back_worked_so_the_newer_ones_go(store: CertStore, pki: TestPki) -> None:
    later, newest, older = own(store, pki, -2, -1, 5)
    (name,) = store.settle(older.label, NOW, newer_failed=True)
    assert "SN-1" in name
    assert labels(store) == [later.label, older.label]
    assert not store.keys.has(newest.label)


def test_the_way_back_was_a_file_of_the_operator(store: CertStore, pki: TestPki) -> None:
    own(store, pki, -2, -1)
    assert store.settle(None, NOW, newer_failed=False) == ()
    assert len(store.settle(None, NOW, newer_failed=True)) == 2
    assert labels(store) == []


def test_tls_with_the_one_that_is_named(store: CertStore, pki: TestPki) -> None:
    newest, older = own(store, pki, -2, -1)
    assert store.tls_settings(NOW, client=True).cert_file == str(newest.file)
    assert store.tls_settings(NOW, client=True, label=older.label).cert_file == str(older.file)
    assert store.tls_settings(NOW, client=True, label="gone").cert_file == str(newest.file)
    assert store.tls_settings(NOW, client=False, label=older.label).cert_file is None
