"""A complete PKI for tests and benches: operator, manufacturer, V2G, mobility operator, car maker, and defective ones.

What there is stands in `pki.toml`, one recipe per certificate; each is made when it is asked for first. With a folder everything is
kept there, keys included: good for a bench, never for the field. Time comes in as `wall`, seconds since 1970.
"""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from station.errors import SecurityError
from station.security import certificates, files
from station.security.api import KeyAlgorithm, LeafKind
from station.security.filekeys import load_key, new_key

__all__ = ["Issued", "Recipe", "TestPki", "recipes"]

DAY_S = 86_400.0
ORGANISATION = "Pilotwire Test"
HOSTS = ("localhost", "127.0.0.1", "::1")
OCSP_URL = "http://ocsp.test.invalid"
CRL_DAYS = 365.0
_USAGES = {
    "digitalSignature": "digital_signature",
    "nonRepudiation": "content_commitment",
    "keyEncipherment": "key_encipherment",
    "keyAgreement": "key_agreement",
    "keyCertSign": "key_cert_sign",
    "cRLSign": "crl_sign",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """One certificate, as pki.toml describes it."""

    common_name: str
    key: str
    days: float
    issuer: str | None = None
    from_days: float = -1.0
    ca: bool = False
    path_length: int | None = None
    usage: tuple[str, ...] = ()
    component: str | None = None
    hosts: bool | tuple[str, ...] = False
    ocsp: bool = False
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key; `above`: its issuers, without the root. `folder`: where its files are, if anywhere."""

    name: str
    certificate: x509.Certificate
    key: CertificateIssuerPrivateKeyTypes = field(repr=False)
    above: tuple[x509.Certificate, ...] = ()
    folder: Path | None = None

    @property
    def pem(self) -> str:
        return certificates.pem([self.certificate])

    @property
    def chain_pem(self) -> str:
        """As TLS sends it and CertificateSigned brings it: without the root."""
        return certificates.pem([self.certificate, *self.above])

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")

    @property
    def cert_file(self) -> str:
        """The chain, for `ssl`."""
        return str(self._file("chain.pem"))

    @property
    def pem_file(self) -> str:
        """The certificate alone, to be trusted."""
        return str(self._file("pem"))

    @property
    def key_file(self) -> str:
        return str(self._file("key"))

    def _file(self, suffix: str) -> Path:
        if self.folder is None:
            raise SecurityError("this test PKI is in memory only; make it with a folder")
        return self.folder / f"{self.name}.{suffix}"


@cache
def recipes() -> Mapping[str, Recipe]:
    """Every recipe by name ("csms/root")."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(
        resources.files(__package__).joinpath("pki.toml").read_text(encoding="utf-8")
    )
    copies = tables.pop("copies")
    found = {f"{group}/{name}": _recipe(table) for group, names in tables.items() for name, table in names.items()}
    for group, how in copies.items():
        for name, recipe in list(found.items()):
            old, _, rest = name.partition("/")
            if old == how["of"]:
                issuer = recipe.issuer and f"{group}/{recipe.issuer.partition('/')[2]}"
                found[f"{group}/{rest}"] = replace(recipe, key=how["key"], issuer=issuer)
    return found


def _recipe(table: Mapping[str, Any]) -> Recipe:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    return Recipe(**values)


class TestPki:
    """The whole PKI, made as it is asked for.

    wall: now. folder: where everything is kept, and found again by the next TestPki there; None: in memory.
    organisation: O of every certificate. hosts: names and addresses of the servers, the first is their CN.
    make: where keys come from.
    """

    __test__ = False  # for pytest: no test, in spite of its name

    def __init__(
        self,
        wall: float,
        folder: Path | None = None,
        *,
        organisation: str = ORGANISATION,
        hosts: Sequence[str] = HOSTS,
        make: Callable[[str], CertificateIssuerPrivateKeyTypes] | None = None,
    ) -> None:
        self.wall = wall
        self.folder = folder
        self.organisation = organisation
        self.hosts = tuple(hosts) or HOSTS
        self._make = make or make_key
        self._made: dict[str, Issued] = {}

    def get(self, name: str, *, station: str | None = None) -> Issued:
        """The certificate of that recipe ("csms/server"). `station`: whose, for those that are made for one station."""
        recipe = recipes().get(name)
        if recipe is None:
            raise SecurityError(f"there is no recipe {name!r}; there are {', '.join(recipes())}")
        if "{id}" in recipe.common_name and station is None:
            raise SecurityError(f"{name} is made for one station: say which")
        full = f"{name}-{quote(station, safe='')}" if station is not None and "{id}" in recipe.common_name else name
        made = self._made.get(full)
        if made is None:
            made = self._find(full, recipe) or self._issue(full, recipe, station)
            self._made[full] = made
        return made

    def station(self, identity: str) -> Issued:
        """The certificate of one station, from the station CA, with its key."""
        return self.get("station/leaf", station=identity)

    @property
    def csms_root(self) -> Issued:
        return self.get("csms/root")

    @property
    def server(self) -> Issued:
        """Of the CSMS, elliptic curve; "csms/server-rsa" is its RSA twin."""
        return self.get("csms/server")

    def sign_station_csr(
        self,
        csr_pem: str,
        *,
        kind: LeafKind = LeafKind.STATION,
        issuer: str | None = None,
        not_before: float | None = None,
        days: float = 365.0,
        common_name: str | None = None,
        organisation: str | None = None,
    ) -> str:
        """What a CSMS answers to SignCertificate: the chain as PEM, leaf first, without the root. Raises SecurityError for a bad CSR.

        issuer: name of another CA; not_before (seconds since 1970), days: validity; common_name, organisation: instead of what
        the request says. With these a test CSMS answers wrongly on purpose.
        """
        request = read_csr(csr_pem)
        authority = self.get(issuer or ("csms/station-ca" if kind is LeafKind.STATION else "iso2/cpo-sub2"))
        names = [
            x509.NameAttribute(
                one.oid,
                {NameOID.COMMON_NAME: common_name, NameOID.ORGANIZATION_NAME: organisation}.get(one.oid) or one.value,
            )
            for one in request.subject
        ]
        begin = self.wall - DAY_S if not_before is None else not_before
        builder = self._builder(
            x509.Name(names), authority.certificate.subject, request.public_key(), begin, begin + days * DAY_S
        )
        usage = ("digitalSignature",) if kind is LeafKind.STATION else ("digitalSignature", "keyAgreement")
        recipe = Recipe(common_name="", key="", days=days, usage=usage, ocsp=kind is LeafKind.V2G)
        builder = _extended(builder, recipe, request.public_key(), authority.certificate, self.hosts)
        signed = builder.sign(authority.key, _digest(authority.key))
        return certificates.pem([signed, *_above(authority)])

    def crl(self, name: str, also: Iterable[x509.Certificate] = ()) -> x509.CertificateRevocationList:
        """The revocation list of that CA: the recipes that say so, and also these certificates."""
        authority = self.get(name)
        begin = self.wall - DAY_S
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(authority.certificate.subject)
            .last_update(certificates.moment(begin))
            .next_update(certificates.moment(begin + CRL_DAYS * DAY_S))
            .add_extension(_authority_key(authority.certificate), critical=False)
            .add_extension(x509.CRLNumber(1), critical=False)
        )
        prepared = [
            self._made_or_found(one) for one, recipe in recipes().items() if recipe.revoked and recipe.issuer == name
        ]
        for certificate in [*(one.certificate for group in prepared for one in group), *also]:
            entry = (
                x509.RevokedCertificateBuilder()
                .serial_number(certificate.serial_number)
                .revocation_date(certificates.moment(begin))
            )
            builder = builder.add_revoked_certificate(
                entry.add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), False).build()
            )
        return builder.sign(authority.key, _digest(authority.key))

    def crls_pem(self, group: str = "csms") -> str:
        """The lists of every CA of one group, as one PEM text."""
        return certificates.pem(
            self.crl(name) for name, recipe in recipes().items() if recipe.ca and name.startswith(f"{group}/")
        )

    def make_all(self, stations: Sequence[str] = ()) -> list[str]:
        """Make everything, and the revocation lists; returns the names. Ed448 is left out where OpenSSL has none."""
        done = []
        for name, recipe in recipes().items():
            for station in stations if "{id}" in recipe.common_name else (None,):
                try:
                    done.append(self.get(name, station=station).name)
                except UnsupportedAlgorithm:
                    break
        if self.folder is not None:
            for group in dict.fromkeys(name.partition("/")[0] for name in done):
                if text := self.crls_pem(group):
                    files.write(self.folder / group / "crls.pem", text.encode())
        return done

    # --- inside -------------------------------------------------------------------------------------------------------

    def _made_or_found(self, name: str) -> list[Issued]:
        """A recipe's certificate; of one that is made per station, all that exist."""
        if "{id}" not in recipes()[name].common_name:
            return [self.get(name)]
        made = {one.name: one for one in self._made.values() if one.name.startswith(f"{name}-")}
        if self.folder is not None:
            for file in sorted((self.folder / name).parent.glob(f"{Path(name).name}-*.key")):
                full = f"{name.partition('/')[0]}/{file.stem}"
                found = made.get(full) or self._find(full, recipes()[name])
                if found is not None:
                    made[full] = found
        return list(made.values())

    def _issue(self, name: str, recipe: Recipe, station: str | None) -> Issued:
        key = self._make(recipe.key)
        public = key.public_key()
        issuer = self.get(recipe.issuer) if recipe.issuer is not None else None
        common_name = recipe.common_name.format(host=self.hosts[0], id=station)
        names = [
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, self.organisation),
        ]
        if recipe.component is not None:
            names.append(x509.NameAttribute(NameOID.DOMAIN_COMPONENT, recipe.component))
        subject = x509.Name(names)
        begin = self.wall + recipe.from_days * DAY_S
        upper = issuer.certificate.subject if issuer is not None else subject
        builder = self._builder(subject, upper, public, begin, begin + recipe.days * DAY_S)
        builder = _extended(builder, recipe, public, issuer.certificate if issuer is not None else None, self.hosts)
        signer = issuer.key if issuer is not None else key
        certificate = builder.sign(signer, _digest(signer))
        made = Issued(name, certificate, key, _above(issuer) if issuer is not None else (), self.folder)
        if self.folder is not None:
            files.private_folder((self.folder / name).parent)
            files.write(Path(made.key_file), made.key_pem.encode())
            files.write(Path(made.cert_file), made.chain_pem.encode())
            files.write(Path(made.pem_file), made.pem.encode())
        return made

    def _find(self, name: str, recipe: Recipe) -> Issued | None:
        """What an earlier run has kept; the certificate itself is written last."""
        if self.folder is None:
            return None
        texts = [files.read(self.folder / f"{name}.{suffix}") for suffix in ("pem", "key")]
        if texts[0] is None or texts[1] is None:
            return None
        certificate = certificates.load(texts[0].decode("ascii", "replace"), name)
        key = load_key(texts[1], f"the key of {name}")
        return Issued(
            name, certificate, key, _above(self.get(recipe.issuer)) if recipe.issuer is not None else (), self.folder
        )

    @staticmethod
    def _builder(
        subject: x509.Name, issuer: x509.Name, public: CertificatePublicKeyTypes, begin: float, end: float
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(certificates.moment(begin))
            .not_valid_after(certificates.moment(end))
        )


def _extended(
    builder: x509.CertificateBuilder,
    recipe: Recipe,
    public: CertificatePublicKeyTypes,
    issuer: x509.Certificate | None,
    hosts: Sequence[str],
) -> x509.CertificateBuilder:
    builder = builder.add_extension(x509.BasicConstraints(ca=recipe.ca, path_length=recipe.path_length), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    if issuer is not None:
        builder = builder.add_extension(_authority_key(issuer), critical=False)
    if recipe.usage:
        flags = dict.fromkeys((*_USAGES.values(), "data_encipherment", "encipher_only", "decipher_only"), False)
        usage = x509.KeyUsage(**(flags | {_USAGES[word]: True for word in recipe.usage}))
        builder = builder.add_extension(usage, critical=True)
    if recipe.hosts:
        names = recipe.hosts if isinstance(recipe.hosts, tuple) else hosts
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        )
    if recipe.ocsp:
        where = x509.UniformResourceIdentifier(OCSP_URL)
        access = x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.OCSP, where)])
        builder = builder.add_extension(access, critical=False)
    return builder


def _authority_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _above(issuer: Issued) -> tuple[x509.Certificate, ...]:
    """What goes into a chain between a certificate of that issuer and the root."""
    return () if certificates.self_issued(issuer.certificate) else (issuer.certificate, *issuer.above)


def _digest(key: CertificateIssuerPrivateKeyTypes) -> hashes.SHA256 | hashes.SHA512 | None:
    """As strong as the key; None for Edwards curves, which bring their own."""
    if isinstance(key, ed448.Ed448PrivateKey | ed25519.Ed25519PrivateKey):
        return None
    return (
        hashes.SHA512() if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.key_size > 384 else hashes.SHA256()
    )


def make_key(kind: str) -> CertificateIssuerPrivateKeyTypes:
    """A key as recipes name it: those of stations, and besides Ed448 and RSA-1024, which is too weak."""
    if kind == "Ed448":
        return ed448.Ed448PrivateKey.generate()
    if kind == "RSA-1024":
        return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - to see it refused
    return new_key(KeyAlgorithm(kind))


def read_csr(text: str) -> x509.CertificateSigningRequest:
    """A signing request whose signature holds. Raises SecurityError."""
    try:
        request = x509.load_pem_x509_csr(text.encode())
        good = request.is_signature_valid and len(request.subject) > 0
        request.public_key()
    except (ValueError, TypeError, UserWarning, UnsupportedAlgorithm) as error:
        raise SecurityError("the signing request cannot be read") from error
    if not good:
        raise SecurityError("the signature of the signing request does not hold, or it names nobody")
    return request
