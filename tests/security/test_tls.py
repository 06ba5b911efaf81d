"""`station.security.tls` and `tls_errors` in real handshakes, against servers with every defect."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import threading
import warnings
from pathlib import Path

import pytest

from station.errors import SecurityError
from station.security import certificates, files
from station.security.tls import SUITES, TlsSettings, client_context, server_context
from station.security.tls_errors import classify
from tests.security.bench import handshake, pki, serve_one


def server(name: str = "csms/server", **more: str | None) -> ssl.SSLContext:
    made = pki().get(name)
    if name != "bad/server-weak":
        return server_context(made.cert_file, made.key_file, **more)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(made.cert_file, made.key_file)
    return context


def trusting(**more: str | None) -> ssl.SSLContext:
    return client_context(TlsSettings(ca_file=pki().csms_root.pem_file, **more))


def crls() -> str:
    pki().get("bad/server-revoked")
    file = Path(pki().csms_root.pem_file).with_name("all-crls.pem")
    if not file.exists():
        files.write(file, pki().crls_pem("csms").encode())
    return str(file)


@pytest.mark.parametrize("name", ["csms/server", "csms/server-rsa", "csms/server-cn-only"])
@pytest.mark.parametrize("with_crls", [False, True])
async def test_a_good_csms_is_believed(name: str, with_crls: bool) -> None:
    assert await handshake(server(name), trusting(crl_file=crls() if with_crls else None)) is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_names_and_addresses_of_a_server(host: str) -> None:
    assert await handshake(server(), trusting(), host) is None


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("bad/server-expired", "expired"),
        ("bad/server-early", "not yet valid"),
        ("bad/server-wrong-host", "elsewhere|mismatch"),
        ("bad/server-self-signed", "self.signed"),
        ("bad/server-wrong-ca", "unable to get"),
        ("bad/server-by-leaf", "invalid CA|extension"),
        ("bad/server-revoked", "revoked"),
        ("bad/server-of-revoked-ca", "revoked"),
        ("bad/server-weak", "too weak|too small"),
    ],
)
async def test_an_invalid_csms_certificate_is_refused(name: str, words: str) -> None:
    error = await handshake(server(name), trusting(crl_file=crls()))
    assert isinstance(error, ssl.SSLError)
    problem = classify(error)
    assert problem is not None
    assert problem.event == "InvalidCsmsCertificate"
    assert re.search(words, problem.words, re.IGNORECASE), problem.words


async def test_host_names_are_checked_unless_a_bench_says_otherwise() -> None:
    assert await handshake(server("bad/server-wrong-host"), trusting(verify_hostname=False)) is None


async def test_only_the_given_roots_are_trusted() -> None:
    other = client_context(TlsSettings(ca_file=pki().get("csms/other-root").pem_file))
    error = await handshake(server(), other)
    assert error is not None
    problem = classify(error)
    assert problem is not None
    assert problem.event == "InvalidCsmsCertificate"


async def test_a_root_signed_by_its_predecessor_is_trusted_by_itself() -> None:
    """M05.FR.12: what the next root signs is believed though the old root is gone."""
    context = client_context(TlsSettings(ca_file=pki().get("csms/next-root").pem_file))
    assert await handshake(server("csms/next-server"), context) is None
    assert await handshake(server("csms/server"), context) is not None


async def test_an_old_tls_version_is_refused() -> None:
    context = server()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    error = await handshake(context, trusting())
    assert error is not None
    problem = classify(error)
    assert problem is not None
    assert problem.event == "InvalidTLSVersion"


@pytest.mark.parametrize("suite", ["AES128-SHA", "ECDHE-RSA-AES128-SHA", "DHE-RSA-AES128-GCM-SHA256"])
async def test_a_forbidden_suite_is_refused(suite: str) -> None:
    context = server("csms/server-rsa")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)
    error = await handshake(context, trusting())
    assert error is not None
    problem = classify(error)
    assert problem is not None
    assert problem.event == "InvalidTLSCipherSuite"


@pytest.mark.parametrize("suite", SUITES)
async def test_every_suite_of_ours_works(suite: str) -> None:
    """A00.FR.319"""
    context = server("csms/server" if "ECDSA" in suite else "csms/server-rsa")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(suite)
    assert await handshake(context, trusting()) is None


def test_versions_and_options_of_a_client() -> None:
    context = trusting()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2  # A00.FR.313
    assert context.options & ssl.OP_NO_COMPRESSION  # A00.FR.321
    assert {one["name"] for one in context.get_ciphers() if one["protocol"] == "TLSv1.2"} == set(SUITES)


def own(name: str = "station/leaf") -> dict[str, str]:
    made = pki().get(name, station="CS-1")
    return {"cert_file": made.cert_file, "key_file": made.key_file}


def demanding(crl_file: str | None = None) -> ssl.SSLContext:
    return server(client_ca_file=pki().csms_root.pem_file, crl_file=crl_file)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
class TestProfile3:
    """With a certificate of our own."""

    async def test_ours_is_believed(self, version: ssl.TLSVersion) -> None:
        context = demanding()
        context.maximum_version = version
        assert await handshake(context, trusting(**own())) is None

    async def test_none_is_refused(self, version: ssl.TLSVersion) -> None:
        context = demanding()
        context.maximum_version = version
        await self.refused(context, trusting())

    @pytest.mark.parametrize("name", ["bad/station-expired", "bad/station-wrong-ca", "bad/station-revoked"])
    async def test_a_bad_one_is_refused(self, version: ssl.TLSVersion, name: str) -> None:
        more = own(name)
        file = Path(pki().csms_root.pem_file).with_name(f"crls-{name.partition('/')[2]}.pem")
        files.write(file, pki().crls_pem("csms").encode())
        context = demanding(str(file))
        context.maximum_version = version
        await self.refused(context, trusting(**more))

    @staticmethod
    async def refused(context: ssl.SSLContext, client: ssl.SSLContext) -> None:
        error = await handshake(context, client)
        assert isinstance(error, ssl.SSLError), error
        problem = classify(error)
        assert problem is not None
        assert problem.event == "FailedToAuthenticateAtCsms"


async def test_a_port_without_tls_is_no_security_event() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        with pytest.raises(ssl.SSLError) as caught:
            await asyncio.open_connection("127.0.0.1", port, ssl=trusting(), server_hostname="localhost")
    problem = classify(caught.value)
    assert problem is not None
    assert problem.event is None
    assert "ws://" in problem.words


def test_what_is_no_tls_matter_is_not_classified() -> None:
    assert classify(ConnectionRefusedError(111, "refused")) is None
    assert classify(TimeoutError()) is None
    assert classify(socket.gaierror(-2, "unknown")) is None


@pytest.mark.parametrize(
    ("name", "good"), [("csms/server", True), ("bad/server-revoked", False), ("bad/server-of-revoked-ca", False)]
)
def test_blocking_sockets_are_checked_too(name: str, good: bool) -> None:
    """File transfers use them."""
    context = server(name)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve_one, args=(listener, context))
        thread.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=20) as raw:
                if good:
                    with trusting(crl_file=crls()).wrap_socket(raw, server_hostname="localhost") as connection:
                        connection.sendall(b"x")
                        assert connection.recv(1) == b"x"
                else:
                    with pytest.raises(ssl.SSLCertVerificationError, match="revoked") as caught:
                        trusting(crl_file=crls()).wrap_socket(raw, server_hostname="localhost")
                    assert caught.value.verify_code == 23
        finally:
            thread.join(20)


# --- contexts are shared, and made anew when a file changes -------------------------------------------------------------


def test_contexts_are_shared_until_a_file_changes(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    files.write(ca, pki().csms_root.pem.encode())
    settings = TlsSettings(ca_file=str(ca))
    first = client_context(settings)
    assert client_context(TlsSettings(ca_file=str(ca))) is first
    assert client_context(TlsSettings(ca_file=str(ca), verify_hostname=False)) is not first
    status = ca.stat()
    files.write(ca, pki().get("csms/other-root").pem.encode())
    os.utime(ca, ns=(status.st_atime_ns, status.st_mtime_ns))  # a replaced file may look as old as the one before
    assert client_context(settings) is not first


def test_many_settings_do_not_fill_the_memory(tmp_path: Path) -> None:
    from station.security import tls

    for number in range(20):
        ca = tmp_path / f"{number}.pem"
        files.write(ca, pki().csms_root.pem.encode())
        client_context(TlsSettings(ca_file=str(ca)))
    assert len(tls._CONTEXTS) <= 16


def test_mistakes_in_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        client_context(TlsSettings(ca_file=str(tmp_path / "none.pem")))
    (tmp_path / "junk.pem").write_text("junk")
    with pytest.raises(ssl.SSLError):
        client_context(TlsSettings(ca_file=str(tmp_path / "junk.pem")))
    with pytest.raises(SecurityError, match="no revocation list"):
        client_context(TlsSettings(crl_file=str(tmp_path / "junk.pem")))
    one, other = own(), pki().get("station/leaf", station="CS-2")
    with pytest.raises(ssl.SSLError):
        client_context(TlsSettings(cert_file=one["cert_file"], key_file=other.key_file))


def test_keys_are_not_in_the_repr() -> None:
    assert "secret-place" not in repr(TlsSettings(key_file="/secret-place"))


def test_without_roots_the_system_is_trusted() -> None:
    context = client_context(TlsSettings())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_tls_needs_no_x509() -> None:
    """A station on a small computer starts without it."""
    import subprocess
    import sys

    code = "import sys, station.security.tls, station.security.tls_errors, station.security.api; print('cryptography' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_certificates_of_the_chain_come_in_order() -> None:
    chain = certificates.load_all(pki().server.chain_pem)
    assert certificates.issued_by(chain[0], chain[1])
