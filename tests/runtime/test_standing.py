"""What the loop is told of the store: what is in use, when it changes, when it is to be renewed."""

from __future__ import annotations

from pathlib import Path

import pytest

from station.core.types import Credentials
from station.runtime.certificate_settings import open_files
from station.runtime.standing import Standing, standing_of
from station.security.api import CertificateUse, LeafKind
from station.security.certstore import CertStore
from station.security.csr import Subject
from station.security.testpki import TestPki

WALL = 1_800_000_000.0
DAY = 86_400.0
SUBJECT = Subject("SN-1", "Operator")


@pytest.fixture
def pki() -> TestPki:
    return TestPki(WALL, organisation="Operator")


@pytest.fixture
def store(tmp_path: Path, pki: TestPki) -> CertStore:
    store = open_files(tmp_path / "certificates", 8)
    assert store.install(CertificateUse.CSMS_ROOT, pki.csms_root.pem, WALL).status == "Accepted"
    return store


def own(store: CertStore, pki: TestPki, begins: float, days: float) -> None:
    chain = pki.sign_station_csr(store.request(LeafKind.STATION, SUBJECT), not_before=begins, days=days)
    assert store.signed(LeafKind.STATION, chain, WALL).status == "Accepted"


def test_an_empty_store(tmp_path: Path) -> None:
    assert standing_of(open_files(tmp_path, 8), WALL) == Standing()


def test_without_a_certificate_of_our_own_nothing_is_renewed(store: CertStore) -> None:
    assert standing_of(store, WALL) == Standing(Credentials(csms_roots=1, entries=1))


@pytest.mark.parametrize(("days", "ahead"), [(365.0, 30.0), (90.0, 30.0), (30.0, 10.0), (1.5, 0.5)])
def test_renewed_a_month_ahead_or_in_the_last_third(store: CertStore, pki: TestPki, days: float, ahead: float) -> None:
    own(store, pki, WALL - DAY, days)
    standing = standing_of(store, WALL)
    assert standing.credentials == Credentials(csms_roots=1, station_certificate=True, entries=2)
    assert standing.renew == {LeafKind.STATION: WALL - DAY + (days - ahead) * DAY}
    assert standing.changes == WALL - DAY + days * DAY


def test_one_that_begins_later(store: CertStore, pki: TestPki) -> None:
    own(store, pki, WALL - DAY, 20.0)
    first = standing_of(store, WALL)
    own(store, pki, WALL + DAY, 365.0)
    second = standing_of(store, WALL)
    assert second.in_use == first.in_use
    assert second.changes == WALL + DAY
    assert second.renew[LeafKind.STATION] > first.renew[LeafKind.STATION]  # the successor is there
    assert standing_of(store, WALL + DAY).in_use not in {None, first.in_use}


def test_without_a_clock_dates_do_not_matter(store: CertStore, pki: TestPki) -> None:
    own(store, pki, WALL - DAY, 20.0)
    standing = standing_of(store, None)
    assert standing.credentials.station_certificate
    assert standing.in_use is not None
    assert standing.changes is None
