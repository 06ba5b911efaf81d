"""`station.security.pkcs11` and `token_keys` with a real token: SoftHSM of Debian (softhsm2)."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from station.errors import SecurityError
from station.security import certificates
from station.security.api import CertificateUse, KeyAlgorithm, LeafKind, Outcome
from station.security.certstore import CertStore
from station.security.csr import Subject, make_csr
from station.security.pkcs11 import Pkcs11Keys, Pkcs11Settings
from station.security.testpki import read_csr
from station.security.token_keys import EcTokenKey, RsaTokenKey
from tests.security.bench import NOW, pki
from tests.security.softhsm import PIN, make_token


@pytest.fixture(scope="session")
def module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The driver, with a folder for its tokens: it reads its configuration once per process."""
    token = make_token(tmp_path_factory.mktemp("softhsm"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(token.configuration))
        yield token.module


@pytest.fixture
def settings(module: str, tmp_path: Path, request: pytest.FixtureRequest) -> Pkcs11Settings:
    file = tmp_path / "pin"
    file.write_text(f"{PIN}\n")
    return Pkcs11Settings(module, "station", file, prefix=f"t{abs(hash(request.node.name)) % 10**8}-")


@pytest.fixture
def keys(settings: Pkcs11Settings) -> Iterator[Pkcs11Keys]:
    token = Pkcs11Keys(settings)
    yield token
    token.close()


@pytest.mark.parametrize(
    "algorithm", [KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384, KeyAlgorithm.EC_P521, KeyAlgorithm.RSA_2048]
)
def test_a_request_is_signed_in_the_token(
    keys: Pkcs11Keys, algorithm: KeyAlgorithm, require_tool: Callable[[str], str]
) -> None:
    keys.generate("pending", algorithm)
    text = make_csr(keys, "pending", Subject("SN-1", "Org"))
    assert certificates.same_key(read_csr(text).public_key(), keys.key("pending").public_key())
    done = subprocess.run(
        [require_tool("openssl"), "req", "-verify", "-noout"], input=text, capture_output=True, text=True, check=True
    )
    assert "OK" in done.stdout + done.stderr


def test_a_key_s_life(keys: Pkcs11Keys) -> None:
    assert not keys.has("a")
    keys.generate("a", KeyAlgorithm.EC_P256)
    first = certificates.spki(keys.key("a").public_key())
    keys.generate("a", KeyAlgorithm.EC_P256)
    second = certificates.spki(keys.key("a").public_key())
    assert first != second
    keys.generate("b", KeyAlgorithm.EC_P256)
    keys.rename("a", "b")
    assert not keys.has("a")
    assert certificates.spki(keys.key("b").public_key()) == second
    keys.delete("b")
    keys.delete("b")
    assert not keys.has("b")
    with pytest.raises(SecurityError, match="no key 'a'"):
        keys.rename("a", "c")
    with pytest.raises(SecurityError, match="no key 'a'"):
        keys.key("a")
    assert keys.pem_for_tls("a") is None


def objects(keys: Pkcs11Keys) -> int:
    return len(list(keys._opened().get_objects({})))


def test_nothing_is_left_behind(keys: Pkcs11Keys) -> None:
    keys.has("a")
    before = objects(keys)
    for label in ("a", "a", "b"):
        keys.generate(label, KeyAlgorithm.EC_P256)
    keys.rename("b", "a")
    assert objects(keys) == before + 2
    keys.delete("a")
    assert objects(keys) == before


def test_the_key_survives_a_restart(keys: Pkcs11Keys, settings: Pkcs11Settings) -> None:
    keys.generate("a", KeyAlgorithm.EC_P256)
    public = certificates.spki(keys.key("a").public_key())
    keys.close()
    assert certificates.spki(Pkcs11Keys(settings).key("a").public_key()) == public


def test_a_session_that_is_lost_is_opened_again(keys: Pkcs11Keys) -> None:
    keys.generate("a", KeyAlgorithm.EC_P256)
    key = keys.key("a")
    keys.close()

    class Reset:
        """What is left of a session when the token was unplugged."""

        @staticmethod
        def get_objects(_wanted: object) -> object:
            import pkcs11

            raise pkcs11.SessionHandleInvalid

    keys._shared.session = Reset()
    assert isinstance(key, EcTokenKey)
    signature = key.sign(b"data", ec.ECDSA(hashes.SHA256()))
    key.public_key().verify(signature, b"data", ec.ECDSA(hashes.SHA256()))


def test_a_login_that_outlives_its_session(keys: Pkcs11Keys) -> None:
    keys.generate("a", KeyAlgorithm.EC_P256)
    kept, keys._shared.session = keys._shared.session, None
    assert keys.has("a")
    keys.close()
    kept.close()


def test_power_fails_between_the_steps_of_renaming(keys: Pkcs11Keys) -> None:
    """Two keys have one label then, and the newer one counts."""
    import pkcs11

    keys.generate("in-use", KeyAlgorithm.EC_P256)
    keys.generate("pending", KeyAlgorithm.EC_P256)
    new = certificates.spki(keys.key("pending").public_key())
    session = keys._opened()
    pending = keys._find(session, keys._name("pending"))[0]
    pending[pkcs11.Attribute.LABEL] = keys._name("in-use")
    assert certificates.spki(keys.key("in-use").public_key()) == new
    keys.generate("pending", KeyAlgorithm.EC_P256)
    third = certificates.spki(keys.key("pending").public_key())
    keys.rename("pending", "in-use")
    assert certificates.spki(keys.key("in-use").public_key()) == third
    assert len(keys._find(session, keys._name("in-use"))) == 1


def test_keys_never_leave(keys: Pkcs11Keys) -> None:
    """A02.FR.05"""
    import pkcs11

    for label, algorithm in (("ec", KeyAlgorithm.EC_P256), ("rsa", KeyAlgorithm.RSA_2048)):
        keys.generate(label, algorithm)
        key = keys.key(label)
        with pytest.raises(SecurityError, match="cannot be read"):
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        with pytest.raises(SecurityError, match="cannot be read"):
            key.private_numbers()  # type: ignore[union-attr]  # Ed448 has none
        assert copy.copy(key) is key
        assert copy.deepcopy(key) is key
        private = keys._find(keys._opened(), keys._name(label))[0]
        assert private[pkcs11.Attribute.SENSITIVE]
        assert not private[pkcs11.Attribute.EXTRACTABLE]
        secret = pkcs11.Attribute.VALUE if label == "ec" else pkcs11.Attribute.PRIVATE_EXPONENT
        with pytest.raises(pkcs11.PKCS11Error):
            private[secret]


def test_signatures(keys: Pkcs11Keys) -> None:
    keys.generate("ec", KeyAlgorithm.EC_P256)
    keys.generate("rsa", KeyAlgorithm.RSA_2048)
    elliptic, other = keys.key("ec"), keys.key("rsa")
    assert isinstance(elliptic, EcTokenKey)
    assert isinstance(other, RsaTokenKey)
    assert (elliptic.key_size, other.key_size) == (256, 2048)
    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        elliptic.public_key().verify(elliptic.sign(b"data", ec.ECDSA(algorithm)), b"data", ec.ECDSA(algorithm))
        pss = PSS(MGF1(algorithm), algorithm.digest_size)
        for padding in (PKCS1v15(), pss):
            other.public_key().verify(other.sign(b"data", padding, algorithm), b"data", padding, algorithm)
    prehashed = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
    elliptic.public_key().verify(elliptic.sign(b"x" * 32, prehashed), b"x" * 32, prehashed)
    with pytest.raises(SecurityError, match="SHA-256"):
        other.sign(b"x", PKCS1v15(), hashes.SHA1())
    with pytest.raises(SecurityError, match="cannot be read"):
        other.decrypt(b"x", PKCS1v15())
    with pytest.raises(SecurityError, match="cannot be read"):
        elliptic.exchange(ec.ECDH(), elliptic.public_key())
    assert isinstance(elliptic, ec.EllipticCurvePrivateKey)
    assert isinstance(other, rsa.RSAPrivateKey)


def test_the_pin_is_never_shown(settings: Pkcs11Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("000000-wrong\n")
    keys = Pkcs11Keys(Pkcs11Settings(settings.module, "station", wrong))
    keys.close()
    with pytest.raises(SecurityError, match="refuses the PIN") as caught:
        keys.has("a")
    chain: BaseException | None = caught.value
    while chain is not None:
        assert "000000" not in str(chain)
        chain = chain.__cause__
    assert "000000" not in caplog.text
    assert PIN not in repr(settings) + repr(keys)


def test_the_pin_from_the_environment(settings: Pkcs11Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from_environment = Pkcs11Settings(settings.module, "station")
    monkeypatch.delenv("STATION_PKCS11_PIN", raising=False)
    Pkcs11Keys(from_environment).close()
    with pytest.raises(SecurityError, match="STATION_PKCS11_PIN"):
        Pkcs11Keys(from_environment).has("a")
    monkeypatch.setenv("STATION_PKCS11_PIN", PIN)
    assert not Pkcs11Keys(from_environment).has("a")


def test_mistakes_are_told(settings: Pkcs11Settings, tmp_path: Path) -> None:
    with pytest.raises(SecurityError, match="cannot be loaded"):
        Pkcs11Keys(Pkcs11Settings(str(tmp_path / "no.so"), "station", settings.pin_file)).has("a")
    with pytest.raises(SecurityError, match="no token 'other'"):
        Pkcs11Keys(Pkcs11Settings(settings.module, "other", settings.pin_file)).has("a")
    Pkcs11Keys(settings).close()
    with pytest.raises(SecurityError, match="first line of"):
        Pkcs11Keys(Pkcs11Settings(settings.module, "station", tmp_path / "none")).has("a")
    with pytest.raises(SecurityError, match="label"):
        Pkcs11Keys(settings).has("../a")


def test_a_store_with_its_keys_in_a_token(tmp_path: Path, keys: Pkcs11Keys) -> None:
    """The whole way of a certificate; TLS gets the key where it is."""
    store = CertStore(tmp_path / "certs", keys)
    assert store.install(CertificateUse.CSMS_ROOT, pki().csms_root.pem, NOW) == Outcome("Accepted")
    answer = pki().sign_station_csr(store.request(LeafKind.STATION, Subject("SN-1", "Org")))
    assert store.signed(LeafKind.STATION, answer, NOW) == Outcome("Accepted")
    assert store.credentials(NOW).station_certificate
    assert CertStore(tmp_path / "certs", keys).leaf(LeafKind.STATION, NOW) == store.leaf(LeafKind.STATION, NOW)
    files = store.tls_settings(NOW, client=True)
    assert (files.cert_file is not None, files.key_file) == (True, None)
    assert files.token_key is not None, "see tests/security/test_token_tls.py"
    assert "token" not in repr(files)
    assert store.tls_settings(NOW, client=False).token_key is None


def test_without_the_package(monkeypatch: pytest.MonkeyPatch, settings: Pkcs11Settings) -> None:
    import builtins

    real: Any = builtins.__import__

    def absent(name: str, *more: Any, **others: Any) -> Any:
        if name == "pkcs11":
            raise ImportError(name)
        return real(name, *more, **others)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(SecurityError, match="pip install"):
        Pkcs11Keys(settings).has("a")
