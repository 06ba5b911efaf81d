"""TLS for the link from the certificate store and the files that the operator names; both count."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from station.clock import Now
from station.runtime.certificates import CertificateManager
from station.security.api import LeafKind
from station.security.tls import TlsSettings, client_context

if TYPE_CHECKING:
    from station.security.certstore import CertStore

__all__ = ["StoredTls"]


class StoredTls:
    """`TlsSource`. `context` is called in a worker thread, everything else in the loop.

    files: what the operator's file names. system_roots: the file has no roots of its own and begins with wss://, so it relies on those
    of the system; they stay trusted when the CSMS installs one.
    """

    __slots__ = ("_fallback", "_files", "_manager", "_now", "_system_roots")

    def __init__(
        self, manager: CertificateManager, files: TlsSettings, now: Callable[[], Now], *, system_roots: bool
    ) -> None:
        self._manager = manager
        self._files = files
        self._now = now
        self._system_roots = system_roots
        self._fallback = False  # M05.FR.14: with the root that was replaced, after a vain attempt with its successor

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
        fallback = self._fallback

        def look(store: CertStore, wall: float | None) -> TlsSettings:
            leaves = store.leaves(LeafKind.STATION) if certificate else ()
            # A00.FR.430: one that has expired is shown all the same, and the CSMS decides.
            at = wall if any(leaf.valid(wall) for leaf in leaves) else None
            use_stored = bool(leaves) or (certificate and ours.cert_file is None)
            return store.tls_settings(at, client=use_stored, fallback=fallback)

        stored = self._manager.from_thread(look, now.wall if now.trusted else None)
        found = replace(ours, crl_file=stored.crl_file)
        if stored.cert_file is not None:
            found = replace(found, cert_file=stored.cert_file, key_file=stored.key_file)
        if stored.ca_file is None:
            return found
        more = () if ours.ca_file is None else (ours.ca_file,)
        return replace(found, ca_file=stored.ca_file, more_ca_files=more, system_roots=self._system_roots)

    def distrusted(self) -> None:
        self._fallback = not self._fallback

    def worked(self) -> None:
        if not self._fallback:
            self._manager.root_worked()
        self._fallback = False
