"""A certificate of our own in the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from station.security import certificates
from station.security.api import LeafKind

__all__ = ["Leaf"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate of our own with its chain (leaf first, no root), the label of its key, and the file that holds the chain."""

    kind: LeafKind
    label: str
    chain: tuple[x509.Certificate, ...]
    file: Path

    @property
    def not_before(self) -> float:
        return certificates.not_before(self.chain[0])

    @property
    def not_after(self) -> float:
        return certificates.not_after(self.chain[0])

    @property
    def family(self) -> bytes:
        """Leaves of one family replace each other: all of a station, and those of V2G that come from one root (A02.FR.15)."""
        return certificates.issuer_id(self.chain[-1]) if self.kind is LeafKind.V2G else b""

    def valid(self, wall: float | None) -> bool:
        return wall is None or self.not_before <= wall <= self.not_after
