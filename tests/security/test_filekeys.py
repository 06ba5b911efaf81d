"""`station.security.filekeys`: keys in files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from station.errors import SecurityError
from station.security import certificates
from station.security.api import KeyAlgorithm
from station.security.filekeys import FileKeys, load_key, new_key
from tests.security.power import power


@pytest.mark.parametrize("algorithm", KeyAlgorithm)
def test_every_algorithm(algorithm: KeyAlgorithm) -> None:
    if algorithm in (KeyAlgorithm.RSA_3072, KeyAlgorithm.RSA_4096):
        return  # seconds of arithmetic; RSA-2048 takes the same way
    key = new_key(algorithm)
    kind, size = algorithm.value.split("-")
    if kind == "EC":
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        assert key.curve.key_size == int(size[1:])
    else:
        assert isinstance(key, rsa.RSAPrivateKey)
        assert key.key_size == int(size)


def test_a_key_s_life(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path / "keys")
    assert not keys.has("a")
    keys.generate("a", KeyAlgorithm.EC_P256)
    first = certificates.spki(keys.key("a").public_key())
    file = tmp_path / "keys" / "a.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert keys.pem_for_tls("a") == str(file)
    keys.generate("a", KeyAlgorithm.EC_P384)
    second = certificates.spki(keys.key("a").public_key())
    assert first != second
    keys.generate("b", KeyAlgorithm.EC_P256)
    keys.rename("a", "b")
    assert not keys.has("a")
    assert certificates.spki(keys.key("b").public_key()) == second
    keys.delete("b")
    keys.delete("b")
    assert not keys.has("b")


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    keys = FileKeys(tmp_path)
    with pytest.raises(SecurityError, match="no key 'a'"):
        keys.key("a")
    with pytest.raises(SecurityError, match="no key 'a'"):
        keys.rename("a", "b")


@pytest.mark.parametrize("label", ["", "../a", "a/b", ".hidden", "a" * 65, "a\n", "a\x00"])
def test_labels_are_safe_as_file_names(tmp_path: Path, label: str) -> None:
    keys = FileKeys(tmp_path)
    with pytest.raises(SecurityError, match="label"):
        keys.generate(label, KeyAlgorithm.EC_P256)
    with pytest.raises(SecurityError, match="label"):
        keys.delete(label)
    assert not list(tmp_path.iterdir())


def test_a_power_cut_keeps_the_old_key_or_has_the_new_one(tmp_path: Path) -> None:
    for at in range(100):
        folder = tmp_path / str(at)
        keys = FileKeys(folder)
        keys.generate("in-use", KeyAlgorithm.EC_P256)
        keys.generate("pending", KeyAlgorithm.EC_P256)
        old, new = (certificates.spki(keys.key(label).public_key()) for label in ("in-use", "pending"))
        with power(at) as cutting:
            keys.rename("pending", "in-use")
        again = FileKeys(folder)
        assert certificates.spki(again.key("in-use").public_key()) == (old if again.has("pending") else new)
        if not cutting.failed:
            return


def test_no_error_quotes_a_key() -> None:
    key = new_key(KeyAlgorithm.EC_P256)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    with pytest.raises(SecurityError, match="encrypted") as caught:
        load_key(locked, "the key")
    assert "BEGIN" not in str(caught.value)


@given(
    st.one_of(
        st.binary(max_size=300), st.text(max_size=200).map(lambda text: f"-----BEGIN PRIVATE KEY-----\n{text}".encode())
    )
)
def test_any_content_is_a_key_or_a_clear_error(content: bytes) -> None:
    with pytest.raises(SecurityError, match="the key a"):
        load_key(content, "the key a")
