"""`station.security.show` and `station.cli.pki`: what people see."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from station.__main__ import main
from station.cli import pki as pki_command
from station.errors import SecurityError
from station.security import certificates
from station.security.api import CertificateUse, LeafKind
from station.security.certstore import CertStore
from station.security.csr import Subject
from station.security.filekeys import FileKeys
from station.security.show import check, show
from station.security.testpki import TestPki
from tests.security.bench import DAY, NOW, pki


def test_a_certificate_in_words() -> None:
    text = show([Path(pki().server.cert_file), Path(pki().csms_root.pem_file)], NOW)
    for word in (
        "CN=localhost",
        "elliptic curve secp256r1",
        "digitalSignature",
        "127.0.0.1",
        "363 days left",
        "itself",
    ):
        assert word in text, word
    hashes = [json.loads(line.partition("OCPP")[2]) for line in text.splitlines() if line.strip().startswith("OCPP")]
    made = certificates.hash_data(pki().server.certificate, pki().get("csms/server-ca").certificate)
    assert hashes[0] == {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": made.issuer_name_hash,
        "issuerKeyHash": made.issuer_key_hash,
        "serialNumber": made.serial_number,
    }
    assert len(hashes) == 3


def test_what_is_wrong_is_seen() -> None:
    root = Path(pki().get("csms/server-ca").pem_file)
    assert "EXPIRED" in show([Path(pki().get("bad/server-expired").pem_file), root], NOW)
    assert "NOT VALID YET" in show([Path(pki().get("bad/server-early").pem_file), root], NOW)
    assert "1024 bits, at least 2048" in show([Path(pki().get("bad/root-weak").pem_file)], NOW)
    assert "show both together" in show([Path(pki().server.pem_file)], NOW)


def test_keys_are_never_shown() -> None:
    text = show([Path(pki().server.key_file), Path(pki().get("csms/server-rsa").key_file)], NOW)
    assert "elliptic curve secp256r1" in text
    assert "RSA 2048 bits" in text
    body = "".join(pki().server.key_pem.splitlines()[1:-1])
    assert body[:20] not in text


def test_requests_and_lists(tmp_path: Path) -> None:
    store = CertStore(tmp_path / "certs", FileKeys(tmp_path / "keys"))
    (tmp_path / "one.csr").write_text(store.request(LeafKind.STATION, Subject("SN-1", "Org")))
    pki().get("bad/server-revoked")
    (tmp_path / "crls.pem").write_text(pki().crls_pem("csms"))
    text = show([tmp_path / "one.csr", tmp_path / "crls.pem"], NOW)
    assert "CN=SN-1" in text
    assert f"{pki().get('bad/server-revoked').certificate.serial_number:x}" in text


def test_other_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "words").write_text("hello")
    with pytest.raises(SecurityError, match="words holds no"):
        show([tmp_path / "words"], NOW)
    with pytest.raises(SecurityError, match="No such file"):
        show([tmp_path / "none"], NOW)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pki")
    TestPki(NOW, folder).make_all(["CS-1"])
    return folder


def test_a_whole_pki_is_good(whole: Path) -> None:
    count, found = check(whole, NOW)
    assert count > 50
    assert found == []


def test_what_time_does_to_it(whole: Path) -> None:
    _, found = check(whole, NOW + 40 * DAY)
    assert {finding.bad for finding in found} == {False}
    assert any("ends in 18 days" in finding.words for finding in found)
    _, found = check(whole, NOW + 400 * DAY)
    assert any(finding.bad and "expired" in finding.words for finding in found)


def test_every_mistake_of_a_folder(tmp_path: Path) -> None:
    files = {
        "junk.pem": "junk",
        "orphan.pem": pki().server.pem,
        "weak.pem": pki().get("bad/root-weak").pem,
        "foreign.key": pki().server.key_pem.replace("\n", "\n"),
        "lonely.key": pki().csms_root.key_pem,
        "broken.key": "junk",
        "notes.txt": "not looked at",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "lonely.key").chmod(0o644)
    for name in ("foreign.key", "broken.key"):
        (tmp_path / name).chmod(0o600)
    count, found = check(tmp_path, NOW)
    assert count == 2
    words = {(finding.file.name, finding.bad): finding.words for finding in found}
    assert "no certificate" in words["junk.pem", True]
    assert "signed neither" in words["orphan.pem", True]
    assert "too weak" in words["weak.pem", True]
    assert "chmod 600" in words["lonely.key", True]
    assert "belongs to this key" in words["lonely.key", False]
    assert "not a private key" in words["broken.key", True]
    assert not any(name in {"notes.txt", "foreign.key"} for name, _ in words)


def test_a_station_s_folder_can_be_checked(tmp_path: Path) -> None:
    store = CertStore(tmp_path, FileKeys(tmp_path / "keys"))
    store.install(CertificateUse.CSMS_ROOT, pki().csms_root.pem, NOW)
    store.signed(LeafKind.STATION, pki().sign_station_csr(store.request(LeafKind.STATION, Subject("SN-1", "Org"))), NOW)
    store.request(LeafKind.STATION, Subject("SN-1", "Org"))
    count, found = check(tmp_path, NOW)
    assert (count, found) == (3, [])


# --- the command --------------------------------------------------------------------------------------------------------


def test_make_show_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "pki"
    assert (
        main(["pki", "make", str(folder), "--host", "csms.test", "--station", "CS-1", "--organisation", "Stroh"]) == 0
    )
    out = capsys.readouterr().out
    head = re.match(r"(\d+) certificates in .+ \((\d+) of them defective on purpose, in bad/\)", out)
    assert head is not None
    made = int(head[1])
    assert str(folder / "station" / "leaf-CS-1.key") in out
    assert main(["pki", "show", str(folder / "csms" / "server.pem"), "--hash", "SHA512"]) == 0
    out = capsys.readouterr().out
    assert "O=Stroh" in out
    assert "csms.test" in out
    assert main(["pki", "check", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "all good" in told
    counts = re.search(r"(\d+) certificates, all good; (\d+) defective ones in bad/ left out", told)
    assert counts is not None
    assert int(counts[1]) + int(counts[2]) == made
    (folder / "csms" / "server.key").chmod(0o640)
    assert main(["pki", "check", str(folder)]) == 1
    assert "chmod 600" in capsys.readouterr().out
    # More stations later; but a name of the CSMS cannot be added to what is signed.
    assert main(["pki", "make", str(folder), "--station", "CS-2"]) == 0
    assert main(["pki", "make", str(folder), "--host", "other.test"]) == 1
    assert "other.test" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["pki"],
        ["pki", "dance"],
        ["pki", "make"],
        ["pki", "show"],
        ["pki", "show", "x", "--hash", "MD5"],
        ["pki", "check"],
    ],
)
def test_wrong_arguments(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2


def test_what_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pki", "show", str(tmp_path / "none.pem")]) == 1
    assert "none.pem" in capsys.readouterr().err
    assert main(["pki", "check", str(tmp_path / "none")]) == 1
    assert main(["pki", "check", str(tmp_path)]) == 1, "an empty folder is no good one"


def test_the_command_is_described() -> None:
    import argparse

    top = argparse.ArgumentParser()
    pki_command.add(top.add_subparsers())
    assert "pki" in top.format_help()


def test_the_clock_is_the_system_s(tmp_path: Path) -> None:
    main(["pki", "make", str(tmp_path / "pki")])
    made = certificates.load((tmp_path / "pki" / "csms" / "root.pem").read_text())
    assert abs(certificates.not_before(made) + DAY - time.time()) < 100
