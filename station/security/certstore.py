"""The station's certificates: whom it trusts, and what it proves itself with. See certs/README.md for the folder's layout.

The files are the truth: each is read when it is asked for, so what a technician puts there counts at once. Several files change
together or not at all (`station.security.shelf`). Times are `wall`, seconds since 1970; None: the clock is not known yet, and dates
are not looked at. Everything here raises SecurityError when folder or key store cannot be used, and may be called from any thread.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock

from cryptography import x509
from cryptography.x509.oid import NameOID

from station.core.types import Credentials
from station.errors import SecurityError
from station.security import certificates, chain, roots
from station.security.api import (
    CertificateUse,
    HashData,
    Installed,
    KeyAlgorithm,
    KeyStore,
    LeafKind,
    Outcome,
)
from station.security.csr import Subject, make_csr
from station.security.leaves import Leaf
from station.security.roots import FOLDERS, Root
from station.security.shelf import Shelf, Step, drop, drop_key, put, use_key
from station.security.tls import TlsSettings

__all__ = ["CertStore", "Leaf"]

_log = logging.getLogger(__name__)

DEFAULT_LIMIT = 32
KEEP_REPLACED_S = 30 * 86_400.0  # A02.FR.10: replaced certificates are kept for a month
MOST_REPLACED = 3  # of them, per family: a CSMS that renews every hour must not fill the store
MAX_CHAIN_SIZE = 10_000  # CertificateSignedRequest.certificateChain is string[0..10000]
REQUESTS, CRLS, TRUST = "requests", "crls", "trust"
BUNDLE, FALLBACK_BUNDLE, CRL_BUNDLE = f"{TRUST}/csms.pem", f"{TRUST}/csms-fallback.pem", f"{TRUST}/crls.pem"
LEAVES = {LeafKind.STATION: "station", LeafKind.V2G: "v2g-chain"}
_LEAF_USE = {LeafKind.STATION: CertificateUse.STATION, LeafKind.V2G: CertificateUse.V2G_CHAIN}
_VOUCHERS = {LeafKind.STATION: CertificateUse.CSMS_ROOT, LeafKind.V2G: CertificateUse.V2G_ROOT}


class CertStore:
    """One station's certificates in one folder, which is made. `keys` keeps the private ones.

    limit: how many certificates may be installed (SecurityCtrlr.CertificateEntries.maxLimit): roots and our own leaves.
    """

    def __init__(self, folder: Path, keys: KeyStore, *, limit: int = DEFAULT_LIMIT) -> None:
        self.keys = keys
        self.limit = limit
        self._lock = RLock()
        self._shelf = Shelf(folder, keys, (*FOLDERS.values(), roots.FALLBACK, *LEAVES.values(), REQUESTS, CRLS, TRUST))
        self.refresh()

    # --- what is there ------------------------------------------------------------------------------------------------

    def roots(self, use: CertificateUse) -> tuple[x509.Certificate, ...]:
        """Trusted roots of one kind, without the fallback."""
        with self._lock:
            return tuple(root.certificate for root in self._roots() if root.use is use and not root.fallback)

    def leaves(self, kind: LeafKind) -> tuple[Leaf, ...]:
        """Every certificate of our own of this kind whose key is there; the newest first (A02.FR.09)."""
        with self._lock:
            return self._leaves(kind)

    def leaf(self, kind: LeafKind, wall: float | None) -> Leaf | None:
        """The one to use: of those valid now, the one whose validity began last (A02.FR.08, .09)."""
        return next((leaf for leaf in self.leaves(kind) if leaf.valid(wall)), None)

    def v2g_leaves(self, wall: float | None) -> tuple[Leaf, ...]:
        """For every V2G root the newest valid leaf that comes from it (A02.FR.15)."""
        best: dict[bytes, Leaf] = {}
        for leaf in self.leaves(LeafKind.V2G):
            if leaf.valid(wall):
                best.setdefault(leaf.family, leaf)
        return tuple(best.values())

    def crls(self) -> tuple[x509.CertificateRevocationList, ...]:
        """Every revocation list that is there."""
        with self._lock:
            return self._crls()

    def installed(
        self, uses: frozenset[CertificateUse] | None = None, algorithm: str = "SHA256"
    ) -> tuple[Installed, ...]:
        """M03: roots and V2G chains; None: all of these. The station certificate only when asked for: OCPP does not list it."""
        with self._lock:
            everyone = self._everyone()
            found = [
                Installed(root.use, certificates.hash_data(root.certificate, root.issuer, algorithm))
                for root in self._roots()
            ]
            kinds = LeafKind if uses is not None else (LeafKind.V2G,)
            found += [self._installed(leaf, everyone, algorithm) for kind in kinds for leaf in self._leaves(kind)]
            return tuple(one for one in found if uses is None or one.use in uses)

    def count(self) -> int:
        """SecurityCtrlr.CertificateEntries: roots and leaves; sub-CAs belong to their leaf."""
        with self._lock:
            return len(self._roots()) + sum(len(self._leaves(kind)) for kind in LeafKind)

    def credentials(self, wall: float | None) -> Credentials:
        """What the core's verdicts on security profiles need (A05.FR.02, .03)."""
        with self._lock:
            good = [root for root in self.roots(CertificateUse.CSMS_ROOT) if _is_current(root, wall)]
            return Credentials(len(good), self.leaf(LeafKind.STATION, wall) is not None, self.count())

    def next_change(self, wall: float) -> float | None:
        """When the certificate to use changes by itself: one becomes valid (then reconnect, A02.FR.08), or the one in use ends."""
        moments = [leaf.not_before for leaf in self.leaves(LeafKind.STATION) if leaf.not_before > wall]
        current = self.leaf(LeafKind.STATION, wall)
        return min([*moments, *([current.not_after] if current else [])], default=None)

    # --- roots (M04, M05) ---------------------------------------------------------------------------------------------

    def install(
        self, use: CertificateUse, pem: str, wall: float | None, *, additional_root_check: bool = False
    ) -> Outcome:
        """M05: Accepted, Rejected (it is not good enough, or there is no room) or Failed (it could not be stored).

        additional_root_check: SecurityCtrlr.AdditionalRootCertificateCheck.
        """
        with self._lock:
            try:
                certificate = roots.check(use, pem, wall)
                found = self._roots()
                planned = roots.replacing(found, use, certificate, checked=additional_root_check)
                if planned.count > len(found) and planned.count + self._leaf_count() > self.limit:
                    return Outcome(
                        "Rejected", "OutOfStorage", f"{self.limit} certificates are installed, no more fit"
                    )  # M05.FR.06
                self._change(planned.steps)
            except roots.RefusedError as error:
                return Outcome("Rejected", error.reason, str(error))  # M05.FR.07, .11
            except SecurityError as error:
                _log.error("a certificate could not be installed: %s", error)
                return Outcome("Failed", "InternalError", "it could not be stored")  # M05.FR.03
            if not planned.steps:
                return Outcome("Accepted", changed=False)  # M05.FR.17
            _log.info("installed %s %s", use.value, certificates.named(certificate))
            return Outcome("Accepted")

    def delete(self, which: HashData, *, keep_csms_root: bool = False, in_use: Sequence[bytes] = ()) -> Outcome:
        """M04: Accepted, NotFound or Failed.

        keep_csms_root: refuse to delete the last CSMS root, as a station with TLS would never connect again (M04.FR.03).
        in_use: the chain that vouches for the CSMS now, as DER: a CSMS root that it needs is kept (1.6 M04.FR.06).
        """
        with self._lock:
            try:
                steps = self._deletion(which, keep_csms_root=keep_csms_root, in_use=in_use)
                if steps:
                    self._change(steps)
            except roots.RefusedError as error:
                return Outcome("Failed", None, str(error))
            except SecurityError as error:
                _log.error("a certificate could not be deleted: %s", error)
                return Outcome("Failed", "InternalError", "it could not be deleted")
            return Outcome("Accepted") if steps else Outcome("NotFound")

    def has_fallback(self) -> bool:
        """Whether the CSMS root that was replaced last is still kept (M05.FR.12)."""
        with self._lock:
            return any(root.fallback for root in self._roots())

    def confirm_root(self) -> None:
        """The CSMS was reached with the new root: the fallback has served its time (M05.FR.13)."""
        with self._lock:
            found = self._roots()
            self._change(roots.dropping([root for root in found if root.fallback], found))

    # --- our own certificates (A02, A03) ------------------------------------------------------------------------------

    def request(self, kind: LeafKind, subject: Subject, algorithm: KeyAlgorithm = KeyAlgorithm.EC_P256) -> str:
        """A new key pair and a signing request for it, as PEM (A02.FR.02, .03). An older request that waits is void."""
        with self._lock:
            label = _pending(kind)
            # Without its request a key is of no use, and a request without its key would be answered in vain.
            self._shelf.change([drop(_request_file(kind))])
            self.keys.generate(label, algorithm)
            text = make_csr(self.keys, label, subject)
            self._shelf.change([put(_request_file(kind), text)])
            return text

    def pending_request(self, kind: LeafKind) -> str | None:
        """The signing request that waits for its certificate, to be sent again as it was (A02.FR.17)."""
        with self._lock:
            return self._shelf.read(_request_file(kind)) if self.keys.has(_pending(kind)) else None

    def forget_request(self, kind: LeafKind) -> None:
        """Nobody waits for the certificate any more. Idempotent."""
        with self._lock:
            self._shelf.change([drop(_request_file(kind)), drop_key(_pending(kind))])

    def signed(self, kind: LeafKind, pem: str, wall: float | None, *, max_size: int = MAX_CHAIN_SIZE) -> Outcome:
        """CertificateSigned: Accepted, or Rejected with the request kept (A02.FR.06, .07, .16). The same one twice is fine."""
        with self._lock:
            try:
                if self._is_ours(kind, pem):
                    return Outcome("Accepted", changed=False)
                good = self._check_signed(kind, pem, wall, max_size)
                self._keep(kind, good, wall)
            except chain.ChainError as error:
                return Outcome("Rejected", error.reason, str(error))
            except SecurityError as error:
                _log.error("a signed certificate could not be stored: %s", error)
                return Outcome("Rejected", "InternalError", "it could not be stored")
            _log.info("%s %s is ours now", kind.value, certificates.named(good.leaf))
            return Outcome("Accepted")

    def settle(self, label: str | None, wall: float | None, *, newer_failed: bool) -> tuple[str, ...]:
        """The CSMS has accepted us by this station certificate (None: by one outside the store): the others go (A02.FR.10).

        newer_failed: it was the way back from newer ones, and those go. Otherwise the older ones. Returns their names.
        """
        with self._lock:
            leaves = self._leaves(LeafKind.STATION)
            at = next((n for n, leaf in enumerate(leaves) if leaf.label == label), len(leaves))
            doomed = [leaf for leaf in leaves[:at] if leaf.valid(wall)] if newer_failed else leaves[at + 1 :]
            self._change([step for leaf in doomed for step in self._dropping(leaf)])
            return tuple(certificates.named(leaf.chain[0]) for leaf in doomed)

    def tidy(self, wall: float) -> None:
        """Delete our certificates that have ended, those replaced for a month (A02.FR.10) and all but the last few of the replaced.

        The one in use always stays.
        """
        with self._lock:
            steps = []
            for kind in LeafKind:
                newer: dict[bytes, float] = {}
                kept: dict[bytes, int] = {}
                for leaf in self._leaves(kind):
                    replaced = newer.get(leaf.family)
                    enough = kept.get(leaf.family, 0) >= MOST_REPLACED
                    if replaced is not None and (enough or wall > leaf.not_after or wall > replaced + KEEP_REPLACED_S):
                        steps += self._dropping(leaf)
                    elif replaced is not None:
                        kept[leaf.family] = kept.get(leaf.family, 0) + 1
                    elif leaf.valid(wall):
                        newer.setdefault(leaf.family, leaf.not_before)
            self._change(steps)

    # --- for TLS ------------------------------------------------------------------------------------------------------

    def tls_settings(
        self,
        wall: float | None,
        *,
        client: bool,
        label: str | None = None,
        fallback: bool = False,
        verify_hostname: bool = True,
    ) -> TlsSettings:
        """Files for `station.security.tls.client_context`. Without any CSMS root: the system's roots.

        client: profile 3, with the station certificate; label: which, None for the one to use.
        fallback: trust the CSMS root that was replaced, and only it (M05.FR.14).
        Raises SecurityError when there is no certificate to use.
        """
        with self._lock:
            self.refresh()
            bundle = FALLBACK_BUNDLE if fallback and self.has_fallback() else BUNDLE
            common = TlsSettings(self._if_there(bundle), self._if_there(CRL_BUNDLE), verify_hostname=verify_hostname)
            return self._with_client(common, label, wall) if client else common

    def refresh(self) -> None:
        """Write the bundles for `ssl` anew if they are not what the certificates say."""
        with self._lock:
            found = self._roots()
            csms = [root for root in found if root.use is CertificateUse.CSMS_ROOT]
            wanted = {
                BUNDLE: certificates.pem(root.certificate for root in csms if not root.fallback),
                FALLBACK_BUNDLE: certificates.pem(root.certificate for root in csms if root.fallback),
                CRL_BUNDLE: certificates.pem(self._crls()),
            }
            steps = [
                put(name, text) if text else drop(name)
                for name, text in wanted.items()
                if self._shelf.read(name) != (text or None)
            ]
            self._shelf.change(steps)

    # --- inside -------------------------------------------------------------------------------------------------------

    def _change(self, steps: Sequence[Step]) -> None:
        self._shelf.change(steps)
        self.refresh()

    def _if_there(self, name: str) -> str | None:
        path = self._shelf.path(name)
        return str(path) if path.is_file() else None

    def _with_client(self, settings: TlsSettings, label: str | None, wall: float | None) -> TlsSettings:
        named = (leaf for leaf in self._leaves(LeafKind.STATION) if leaf.label == label)
        leaf = next(named, None) or self.leaf(LeafKind.STATION, wall)
        if leaf is None:
            raise SecurityError(
                f"there is no valid station certificate with its key in {self._shelf.path(LEAVES[LeafKind.STATION])}"
            )
        key_file = self.keys.pem_for_tls(leaf.label)
        token_key = None if key_file is not None else self.keys.tls_key(leaf.label)
        return replace(settings, cert_file=str(leaf.file), key_file=key_file, token_key=token_key)

    def _roots(self) -> tuple[Root, ...]:
        return roots.read(self._shelf)

    def _crls(self) -> tuple[x509.CertificateRevocationList, ...]:
        found: list[x509.CertificateRevocationList] = []
        for name in self._shelf.names(CRLS, ".pem"):
            try:
                found += certificates.load_crls(self._shelf.read(name) or "", str(self._shelf.path(name)))
            except SecurityError as error:
                _log.warning("%s; it is not used", error)
        return tuple(found)

    def _leaves(self, kind: LeafKind) -> tuple[Leaf, ...]:
        found = []
        for name in self._shelf.names(LEAVES[kind], ".pem"):
            path = self._shelf.path(name)
            try:
                # Without its key a chain proves nothing.
                if self.keys.has(path.stem):
                    found.append(
                        Leaf(kind, path.stem, certificates.load_all(self._shelf.read(name) or "", str(path)), path)
                    )
            except SecurityError as error:
                _log.warning("%s; it is not used", error)
        return tuple(sorted(found, key=lambda leaf: leaf.not_before, reverse=True))

    def _leaf_count(self) -> int:
        return sum(len(self._leaves(kind)) for kind in LeafKind)

    def _everyone(self) -> list[x509.Certificate]:
        """Whoever may have issued something here."""
        leaves = [one for leaf in self._leaves(LeafKind.V2G) + self._leaves(LeafKind.STATION) for one in leaf.chain[1:]]
        return [*(root.certificate for root in self._roots()), *leaves]

    def _hashes(self, leaf: Leaf, everyone: Sequence[x509.Certificate], algorithm: str) -> list[HashData]:
        """Of the leaf and of each sub-CA above it."""
        return [
            certificates.hash_data(one, certificates.find_issuer(one, everyone) or one, algorithm) for one in leaf.chain
        ]

    def _installed(self, leaf: Leaf, everyone: Sequence[x509.Certificate], algorithm: str) -> Installed:
        # M03.FR.05: sub-CAs are children of the leaf.
        first, *above = self._hashes(leaf, everyone, algorithm)
        return Installed(_LEAF_USE[leaf.kind], first, tuple(above))

    def _deletion(self, which: HashData, *, keep_csms_root: bool, in_use: Sequence[bytes]) -> list[Step]:
        algorithm = which.algorithm.upper()
        if algorithm not in certificates.HASHES:
            return []
        found = self._roots()
        everyone = self._everyone()
        doomed = [
            root for root in found if certificates.hash_data(root.certificate, root.issuer, algorithm).same(which)
        ]
        last = not any(root.use is CertificateUse.CSMS_ROOT and root not in doomed for root in found)
        if keep_csms_root and last and any(root.use is CertificateUse.CSMS_ROOT for root in doomed):
            raise roots.RefusedError(
                "it is the last CSMS root certificate: without it there would be no connection any more"
            )
        if roots.needed(in_use, doomed, found):
            raise roots.RefusedError("it is the CSMS root certificate that the connection rests on")
        if any(self._hashes(leaf, everyone, algorithm)[0].same(which) for leaf in self._leaves(LeafKind.STATION)):
            raise roots.RefusedError("the station certificate cannot be deleted by DeleteCertificate")  # M04.FR.06
        steps = roots.dropping(doomed, found)
        for leaf in self._leaves(LeafKind.V2G):
            # M04.FR.08: a chain without one of its sub-CAs is of no use.
            if any(one.same(which) for one in self._hashes(leaf, everyone, algorithm)):
                steps += self._dropping(leaf)
        return steps

    @staticmethod
    def _dropping(leaf: Leaf) -> list[Step]:
        return [drop(f"{LEAVES[leaf.kind]}/{leaf.file.name}"), drop_key(leaf.label)]

    def _is_ours(self, kind: LeafKind, pem: str) -> bool:
        """Whether that very chain has been accepted before: the answer got lost, and the CSMS asks again."""
        try:
            brought = set(certificates.load_all(pem))
        except SecurityError:
            return False
        return any(leaf.chain[0] in brought for leaf in self._leaves(kind))

    def _check_signed(self, kind: LeafKind, pem: str, wall: float | None, max_size: int) -> chain.Checked:
        request = self.pending_request(kind)
        if request is None:
            raise chain.ChainError("no signing request of ours waits for a certificate")
        asked = x509.load_pem_x509_csr(request.encode())
        wanted = chain.Wanted(
            kind=kind,
            key=asked.public_key(),
            common_name=certificates.rdn(asked.subject, NameOID.COMMON_NAME)[0],
            organisation=certificates.rdn(asked.subject, NameOID.ORGANIZATION_NAME)[0],
        )
        vouchers = [root.certificate for root in self._roots() if root.use is _VOUCHERS[kind]]
        return chain.check_leaf(pem, wanted, vouchers, wall, crls=self._crls(), max_size=max_size)

    def _keep(self, kind: LeafKind, good: chain.Checked, wall: float | None) -> None:
        label = f"{LEAVES[kind]}-{certificates.fingerprint(good.leaf)[:16]}"
        name = f"{LEAVES[kind]}/{label}.pem"
        self._change(
            [put(name, certificates.pem(good.chain)), use_key(_pending(kind), label), drop(_request_file(kind))]
        )
        if wall is not None:
            self.tidy(wall)


def _pending(kind: LeafKind) -> str:
    return f"pending-{LEAVES[kind]}"


def _request_file(kind: LeafKind) -> str:
    return f"{REQUESTS}/{LEAVES[kind]}.csr"


def _is_current(certificate: x509.Certificate, wall: float | None) -> bool:
    return wall is None or certificates.not_before(certificate) <= wall <= certificates.not_after(certificate)


def root_uses() -> Iterable[CertificateUse]:
    """The kinds of certificates that InstallCertificate brings."""
    return FOLDERS.keys()
