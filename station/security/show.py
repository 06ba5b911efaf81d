"""Certificates for people: what `station pki show` and `station pki check` print."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from station.errors import SecurityError
from station.security import certificates, chain
from station.security.filekeys import load_key
from station.security.testpki import read_csr

__all__ = ["Finding", "check", "defective", "show"]

SOON_S = 30 * 86_400.0
DAY_S = 86_400.0
_CERTIFICATE, _CRL, _CSR = (
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN X509 CRL-----",
    "-----BEGIN CERTIFICATE REQUEST-----",
)
_USAGES = {
    "digital_signature": "digitalSignature",
    "content_commitment": "nonRepudiation",
    "key_encipherment": "keyEncipherment",
    "data_encipherment": "dataEncipherment",
    "key_agreement": "keyAgreement",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}


def show(files: Sequence[Path], wall: float, algorithm: str = "SHA256") -> str:
    """Everything in these PEM files. Issuers are looked for in all of them. Raises SecurityError for a file that holds nothing."""
    texts = {file: _text(file) for file in files}
    everyone = [
        one for file, text in texts.items() if _CERTIFICATE in text for one in certificates.load_all(text, str(file))
    ]
    parts = []
    for file, text in texts.items():
        found = list(_parts(file, text, everyone, wall, algorithm))
        if not found:
            raise SecurityError(f"{file} holds no certificate, signing request, revocation list or key in PEM format")
        parts += [f"{file}\n" + "\n".join(found)]
    return "\n".join(parts)


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise SecurityError(f"{file}: {error.strerror}") from error


def _parts(file: Path, text: str, everyone: Sequence[x509.Certificate], wall: float, algorithm: str) -> Iterator[str]:
    if _CERTIFICATE in text:
        for one in certificates.load_all(text, str(file)):
            yield _certificate(one, everyone, wall, algorithm)
    if _CSR in text:
        yield _request(read_csr(text))
    if _CRL in text:
        for crl in certificates.load_crls(text, str(file)):
            yield _crl(crl)
    if "PRIVATE KEY-----" in text:
        yield _table("private key", [("kind", key_words(load_key(text.encode(), str(file)).public_key()))])


def _certificate(one: x509.Certificate, everyone: Sequence[x509.Certificate], wall: float, algorithm: str) -> str:
    issuer = certificates.find_issuer(one, everyone)
    rows = [
        ("subject", one.subject.rfc4514_string()),
        ("issuer", "itself" if issuer == one else one.issuer.rfc4514_string()),
        ("serial", f"{one.serial_number:x}"),
        (
            "valid",
            f"{one.not_valid_before_utc:%Y-%m-%d %H:%M} to {one.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, {_standing(one, wall)}",
        ),
        ("key", key_words(one.public_key())),
        ("signature", _signature(one)),
        ("may sign", _may_sign(one)),
        ("usage", ", ".join(_usages(one)) or "not restricted"),
        ("hosts", ", ".join(_hosts(one))),
        ("weakness", certificates.weakness(one) or ""),
        ("SHA-256", certificates.fingerprint(one)),
        ("OCPP", _hash_words(one, issuer, algorithm)),
    ]
    return _table("certificate", rows)


def _request(request: x509.CertificateSigningRequest) -> str:
    rows = [("subject", request.subject.rfc4514_string()), ("key", key_words(request.public_key()))]
    return _table("signing request", rows)


def _crl(crl: x509.CertificateRevocationList) -> str:
    end = f" to {crl.next_update_utc:%Y-%m-%d}" if crl.next_update_utc is not None else ""
    serials = ", ".join(f"{entry.serial_number:x}" for entry in crl)
    rows = [
        ("issuer", crl.issuer.rfc4514_string()),
        ("valid", f"{crl.last_update_utc:%Y-%m-%d}{end}"),
        ("revoked", serials or "nothing"),
    ]
    return _table("revocation list", rows)


def _table(title: str, rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join([f"  {title}", *(f"    {name:<10} {value}" for name, value in rows if value), ""])


def _standing(one: x509.Certificate, wall: float) -> str:
    if wall < certificates.not_before(one):
        return "NOT VALID YET"
    left = certificates.not_after(one) - wall
    return "EXPIRED" if left < 0 else f"{int(left // DAY_S)} days left"


def key_words(key: PublicKeyTypes) -> str:
    """Kind and size of a key."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"elliptic curve {key.curve.name}"
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size} bits"
    return type(key).__name__.removesuffix("PublicKey").lstrip("_")


def _signature(one: x509.Certificate) -> str:
    try:
        algorithm = one.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return "unknown algorithm"
    return algorithm.name.upper() if algorithm is not None else ""


def _may_sign(one: x509.Certificate) -> str:
    if not certificates.is_ca(one):
        return ""
    limit = one.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length
    return "certificates" if limit is None else f"certificates, with {limit} CAs below it"


def _usages(one: x509.Certificate) -> list[str]:
    usage = certificates.key_usage(one)
    found = [word for name, word in _USAGES.items() if usage is not None and getattr(usage, name)]
    extended = certificates.extended_usage(one) or ()
    return found + sorted(getattr(oid, "_name", oid.dotted_string) for oid in extended)


def _hosts(one: x509.Certificate) -> list[str]:
    try:
        names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [*names.get_values_for_type(x509.DNSName), *(str(ip) for ip in names.get_values_for_type(x509.IPAddress))]


def _hash_words(one: x509.Certificate, issuer: x509.Certificate | None, algorithm: str) -> str:
    """As DeleteCertificate wants it, ready to be copied."""
    if issuer is None:
        return "its issuer is not in these files: show both together for the hash data"
    made = certificates.hash_data(one, issuer, algorithm)
    names = {
        "hashAlgorithm": made.algorithm,
        "issuerNameHash": made.issuer_name_hash,
        "issuerKeyHash": made.issuer_key_hash,
        "serialNumber": made.serial_number,
    }
    return json.dumps(names)


# --- check --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a file. `bad`: it will not work; else it is worth a look."""

    file: Path
    words: str
    bad: bool = True


def check(folder: Path, wall: float) -> tuple[int, list[Finding]]:
    """How many certificates there are below a folder, and everything that is wrong with them: dates, chains, keys, who may read them.

    For a station's certificates as well as for a PKI. What is below `bad` is defective on purpose and left out. Raises SecurityError.
    """
    try:
        files = sorted(
            path for path in folder.rglob("*") if path.is_file() and "bad" not in path.relative_to(folder).parts
        )
    except OSError as error:
        raise SecurityError(f"{folder}: {error.strerror}") from error
    if not folder.is_dir():
        raise SecurityError(f"{folder} is no folder")
    texts = {file: _text(file) for file in files if file.suffix in {".pem", ".crt", ".key", ".issuer"}}
    found: list[Finding] = []
    read: dict[Path, tuple[x509.Certificate, ...]] = {}
    for file, text in texts.items():
        if file.suffix == ".key" or _CRL in text:
            continue
        try:
            read[file] = certificates.load_all(text, "it")
        except SecurityError as error:
            found.append(Finding(file, str(error)))
    everyone = list({one: None for ones in read.values() for one in ones})
    roots = [one for one in everyone if certificates.issued_by(one, one)]
    seen: set[x509.Certificate] = set()
    for file, ones in read.items():
        for one in ones:
            if one not in seen:
                seen.add(one)
                found += _findings(file, one, everyone, roots, wall)
    found += [
        finding
        for file, text in texts.items()
        if file.suffix == ".key"
        for finding in _key_findings(file, text, everyone)
    ]
    return len(seen), found


def defective(folder: Path) -> int:
    """How many certificates `check` has left out: each that is first of a file below `bad`, where issuers follow it."""
    firsts = set()
    for file in folder.rglob("bad/**/*.pem"):
        text = _text(file)
        if _CERTIFICATE in text:
            firsts.add(text.partition("-----END CERTIFICATE-----")[0])
    return len(firsts)


def _findings(
    file: Path,
    one: x509.Certificate,
    everyone: Sequence[x509.Certificate],
    roots: Sequence[x509.Certificate],
    wall: float,
) -> Iterator[Finding]:
    name = certificates.named(one)
    left = certificates.not_after(one) - wall
    if 0 <= left < SOON_S:
        yield Finding(file, f"{name} ends in {int(left // DAY_S)} days", bad=False)
    if one in roots:
        if left < 0:
            yield Finding(file, f"{name} has expired")
        if weak := certificates.weakness(one):
            yield Finding(file, f"{name} is too weak: {weak}")
        return
    try:
        chain.check_path(one, everyone, roots, wall)
    except chain.ChainError as error:
        yield Finding(file, str(error))


def _key_findings(file: Path, text: str, everyone: Sequence[x509.Certificate]) -> Iterator[Finding]:
    if file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        yield Finding(file, "others may read this private key: chmod 600")
    try:
        key = load_key(text.encode(), "it").public_key()
    except SecurityError as error:
        yield Finding(file, str(error))
        return
    # A key that waits for its certificate has none.
    if not file.name.startswith("pending-") and not any(
        certificates.same_key(key, one.public_key()) for one in everyone
    ):
        yield Finding(file, "no certificate here belongs to this key", bad=False)
