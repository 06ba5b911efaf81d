"""TLS for the link from the certificate store and the files that the operator names; both count."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from station.clock import Now
from station.errors import SecurityError
from station.runtime.certificates import CertificateManager
from station.security.api import LeafKind
from station.security.tls import TlsSettings, client_context

if TYPE_CHECKING:
    from station.security.certstore import CertStore
    from station.security.leaves import Leaf

__all__ = ["StoredTls"]


@dataclass(frozen=True, slots=True)
class Shown:
    """The station certificate of an attempt. label: of the store; None: the operator's file, or none at all.

    others: there are more of which one can be discarded. older: it is not the newest.
    """

    label: str | None = None
    others: bool = False
    older: bool = False


class StoredTls:
    """`TlsSource`. `context` is called in a worker thread, everything else in the loop.

    files: what the operator's file names. system_roots: the file has no roots of its own and begins with wss://, so it relies on those
    of the system; they stay trusted when the CSMS installs one.
    """

    __slots__ = ("_fallback", "_files", "_manager", "_now", "_older", "_shown", "_system_roots")

    def __init__(
        self, manager: CertificateManager, files: TlsSettings, now: Callable[[], Now], *, system_roots: bool
    ) -> None:
        self._manager = manager
        self._files = files
        self._now = now
        self._system_roots = system_roots
        self._fallback = False  # M05.FR.14: with the root that was replaced, after a vain attempt with its successor
        self._older = False  # A02.FR.28: with the certificate that was replaced, while there is one
        self._shown = Shown()

    def has_certificate(self) -> bool:
        return self._files.cert_file is not None or self._manager.in_use

    def context(self, *, certificate: bool) -> ssl.SSLContext:
        """Raises OSError, ssl.SSLError or SecurityError."""
        return client_context(self._settings(certificate=certificate))

    def _settings(self, *, certificate: bool) -> TlsSettings:
        ours = self._files if certificate else replace(self._files, cert_file=None, key_file=None)
        if not self._manager.in_use:
            return ours
        now = self._now()
        fallback, older = self._fallback, self._older

        def look(store: CertStore, wall: float | None) -> TlsSettings:
            leaves = store.leaves(LeafKind.STATION) if certificate else ()
            shown = self._shown = _choose(leaves, wall, ours.cert_file, older=older)
            # A00.FR.430: one that has expired is shown all the same, and the CSMS decides.
            at = wall if any(leaf.valid(wall) for leaf in leaves) else None
            use_stored = shown.label is not None or (certificate and ours.cert_file is None)
            return store.tls_settings(at, client=use_stored, label=shown.label, fallback=fallback)

        stored = self._manager.from_thread(look, now.wall if now.trusted else None)
        found = replace(ours, crl_file=stored.crl_file)
        if stored.cert_file is not None:
            found = replace(found, cert_file=stored.cert_file, key_file=stored.key_file, token_key=stored.token_key)
        if stored.ca_file is None:
            return found
        more = () if ours.ca_file is None else (ours.ca_file,)
        return replace(found, ca_file=stored.ca_file, more_ca_files=more, system_roots=self._system_roots)

    def distrusted(self) -> None:
        self._fallback = not self._fallback

    def refused(self) -> None:
        self._older = not self._older

    def worked(self) -> None:
        if not self._fallback:
            self._manager.root_worked()
        self._fallback = self._older = False
        shown, self._shown = self._shown, Shown()
        if shown.others:
            self._manager.certificate_worked(shown.label, newer_failed=shown.older)

    def vouched(self, chain: tuple[bytes, ...]) -> None:
        self._manager.csms_chain = chain


def _choose(leaves: Sequence[Leaf], wall: float | None, file: str | None, *, older: bool) -> Shown:
    """Which certificate to show. leaves: of the store, the newest first. file: the operator's. older: the one before the newest."""
    usable = [leaf for leaf in leaves if leaf.valid(wall)] or list(leaves)[:1]
    if not usable:
        return Shown()
    before: list[str | None] = [leaf.label for leaf in usable[1:]]
    if file is not None and _file_valid(file, wall):
        before.append(None)
    if older and before:
        return Shown(before[0], others=True, older=True)
    # A certificate of the store that has ended goes too, once the CSMS has taken a newer one.
    return Shown(usable[0].label, others=len(leaves) > 1 and leaves[-1] is not usable[0])


def _file_valid(file: str, wall: float | None) -> bool:
    from station.security import certificates

    try:
        first = certificates.load_all(Path(file).read_text(encoding="ascii", errors="replace"), file)[0]
    except (OSError, SecurityError):
        return False  # it would be of no use
    return wall is None or certificates.not_before(first) <= wall <= certificates.not_after(first)
