"""`station.security.roots`: what may be trusted, and what it replaces. The store's own tests go through all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from station.security import certificates
from station.security.api import CertificateUse
from station.security.filekeys import FileKeys
from station.security.roots import FALLBACK, FOLDERS, RefusedError, check, dropping, read, replacing
from station.security.shelf import Shelf
from tests.security.bench import NOW, pki

CSMS = CertificateUse.CSMS_ROOT


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path, FileKeys(tmp_path / "keys"), [*FOLDERS.values(), FALLBACK])


def test_a_root_and_the_one_after_it(shelf: Shelf) -> None:
    old, new = pki().csms_root, pki().get("csms/next-root")
    first = replacing(read(shelf), CSMS, check(CSMS, old.pem, NOW), checked=True)
    assert first.count == 1
    shelf.change(first.steps)
    second = replacing(read(shelf), CSMS, check(CSMS, new.pem, NOW), checked=True)
    assert second.count == 2
    shelf.change(second.steps)
    found = {(root.certificate, root.fallback, root.issuer) for root in read(shelf)}
    assert found == {(new.certificate, False, old.certificate), (old.certificate, True, old.certificate)}


def test_a_file_with_several_roots_loses_only_the_one(shelf: Shelf) -> None:
    roots = [pki().csms_root, pki().get("csms/other-root"), pki().get("manufacturer/root")]
    shelf.path("csms/all.pem").write_text("".join(root.pem for root in roots))
    found = read(shelf)
    shelf.change(dropping([found[0], found[2]], found))
    assert [root.certificate for root in read(shelf)] == [roots[1].certificate]
    found = read(shelf)
    shelf.change(dropping(found, found))
    assert not shelf.path("csms/all.pem").exists()


def test_the_same_root_in_two_files_is_one(shelf: Shelf) -> None:
    shelf.path("csms/1.pem").write_text(pki().csms_root.pem * 2)
    assert len(read(shelf)) == 1


def test_refusals_have_a_reason_code() -> None:
    for text, reason in (("junk", "InvalidCertificate"), (pki().csms_root.pem + " " * 6000, "TooLargeElement")):
        with pytest.raises(RefusedError) as caught:
            check(CSMS, text, NOW)
        assert caught.value.reason == reason


def test_the_issuer_is_remembered(shelf: Shelf) -> None:
    """The hash data of a root that another one signed needs the other's key, also when that is gone."""
    new = pki().get("csms/next-root")
    shelf.change(replacing(read(shelf), CSMS, pki().csms_root.certificate, checked=False).steps)
    shelf.change(replacing(read(shelf), CSMS, new.certificate, checked=True).steps)
    found = read(shelf)
    shelf.change(dropping([root for root in found if root.fallback], found))
    (only,) = read(shelf)
    assert only.certificate == new.certificate
    assert certificates.hash_data(only.certificate, only.issuer) == certificates.hash_data(
        new.certificate, pki().csms_root.certificate
    )
