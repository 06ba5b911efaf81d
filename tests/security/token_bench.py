"""What `test_token_tls` lets a program of its own do, as a mistake in there would be a crash: TLS with keys in a real token.

python -m tests.security.token_bench CASE MODULE FOLDER; exit status 0 when everything held.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from station.errors import SecurityError
from station.security.api import CertificateUse, KeyAlgorithm, LeafKind, Outcome
from station.security.certstore import CertStore
from station.security.csr import Subject
from station.security.pkcs11 import Pkcs11Keys, Pkcs11Settings
from station.security.tls import TlsSettings, client_context, server_context
from tests.security.bench import NOW, close, handshake, pki
from tests.security.softhsm import LABEL, PIN

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)


class Bench:
    """A certificate store whose keys are in the token, and a CSMS that demands a certificate."""

    def __init__(self, module: str, folder: Path) -> None:
        pin = folder / "pin"
        pin.write_text(f"{PIN}\n")
        self.settings = Pkcs11Settings(module, LABEL, pin)
        self.keys = Pkcs11Keys(self.settings)
        self.store = CertStore(folder / "certs", self.keys)
        assert self.store.install(CertificateUse.CSMS_ROOT, pki().csms_root.pem, NOW) == Outcome("Accepted")
        self.begin = NOW - 3600
        self.peers: list[bytes | None] = []

    def renew(self, algorithm: KeyAlgorithm) -> TlsSettings:
        """A new key in the token and a new certificate for it: what TLS is to use now."""
        request = self.store.request(LeafKind.STATION, Subject("SN-1", "Org"), algorithm)
        self.begin += 1  # of two with one beginning either might be the newer
        answer = pki().sign_station_csr(request, not_before=self.begin)
        assert self.store.signed(LeafKind.STATION, answer, NOW) == Outcome("Accepted")
        return self.store.tls_settings(None, client=True)

    def shake(self, files: TlsSettings, version: ssl.TLSVersion) -> OSError | None:
        """One connection of that version; the CSMS remembers what certificate it was shown."""
        client = client_context(files)
        client.minimum_version = client.maximum_version = version
        return asyncio.run(handshake(self.server(), client))

    def server(self) -> ssl.SSLContext:
        peers = self.peers

        class Seeing(ssl.SSLSocket):
            def do_handshake(self, block: bool = False) -> None:
                super().do_handshake(block)
                peers.append(self.getpeercert(binary_form=True))

        server = server_context(pki().server.cert_file, pki().server.key_file, client_ca_file=pki().csms_root.pem_file)
        server.sslsocket_class = Seeing
        return server


def der(file: str | None) -> bytes:
    assert file is not None
    return ssl.PEM_cert_to_DER_cert(
        Path(file).read_text().partition("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----"
    )


def mutual(bench: Bench, algorithm: KeyAlgorithm) -> None:
    """A handshake in both versions, then with the certificate that follows, then again with the first."""
    first = bench.renew(algorithm)
    for version in VERSIONS:
        assert bench.shake(first, version) is None
    second = bench.renew(algorithm)
    assert second.cert_file != first.cert_file
    for files in (second, first):
        assert bench.shake(files, VERSIONS[1]) is None
    assert bench.peers == [der(files.cert_file) for files in (first, first, second, first)]


def elliptic(bench: Bench) -> None:
    for algorithm in (KeyAlgorithm.EC_P256, KeyAlgorithm.EC_P384):
        bench.peers.clear()
        mutual(bench, algorithm)


def rsa(bench: Bench) -> None:
    mutual(bench, KeyAlgorithm.RSA_2048)


def refused(bench: Bench) -> None:
    """A key that does not fit, chains that are none, a key and a token that are not there: said before any connection."""
    good = bench.renew(KeyAlgorithm.EC_P256)
    other = bench.renew(KeyAlgorithm.EC_P256)
    rsa = bench.renew(KeyAlgorithm.RSA_2048)
    empty = Path(bench.settings.pin_file or "").with_name("empty.pem")
    empty.write_text("")
    cases = [
        (replace(good, cert_file=other.cert_file), "does not belong to the certificate"),
        (replace(good, cert_file=rsa.cert_file), "does not belong to the certificate"),
        (replace(good, cert_file=str(empty)), "cannot be used"),
        (replace(good, cert_file=str(empty.with_name("none.pem"))), "cannot be used"),
        (replace(good, token_key=bench.keys.tls_key("nobody")), "no key 'nobody'"),
        (replace(good, token_key=Pkcs11Keys(replace(bench.settings, token="other")).tls_key("a")), "no token 'other'"),
    ]
    for files, words in cases:
        told = problem(lambda files=files: client_context(files))  # type: ignore[misc]  # a loop's variable as default
        assert words in told, told
        assert PIN not in told
    # Nothing is left behind for the next one.
    assert bench.shake(good, VERSIONS[0]) is None


def problem(work: Callable[[], object]) -> str:
    try:
        work()
    except SecurityError as error:
        return str(error)
    return "nothing"


def lasting(bench: Bench) -> None:
    """Many contexts, made and forgotten; the token's owner logs out in between."""
    files = bench.renew(KeyAlgorithm.EC_P256)
    for _ in range(200):
        client_context(files)
    gc.collect()
    assert bench.shake(files, VERSIONS[1]) is None
    bench.keys.close()
    assert bench.shake(files, VERSIONS[1]) is None


def reset(bench: Bench) -> None:
    """A token that was reset, every session and handle void: our own session is opened anew, and the engine says what to do."""
    import pkcs11

    files = bench.renew(KeyAlgorithm.EC_P256)
    before = client_context(files)
    assert bench.shake(files, VERSIONS[1]) is None
    pkcs11.lib(bench.settings.module).reinitialize()
    met = asyncio.run(handshake(bench.server(), before))
    assert isinstance(met, ssl.SSLError), met
    told = problem(lambda: client_context(files))
    assert "restart the station" in told, told
    assert client_context(bench.store.tls_settings(None, client=False))


CASES: dict[str, Callable[[Bench], None]] = {
    "elliptic": elliptic,
    "rsa": rsa,
    "refused": refused,
    "lasting": lasting,
    "reset": reset,
}

if __name__ == "__main__":
    try:
        CASES[sys.argv[1]](Bench(sys.argv[2], Path(sys.argv[3])))
    finally:
        close()
