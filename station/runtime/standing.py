"""What is in a certificate store, as far as the loop must know it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from station.core.types import Credentials
from station.security.api import LeafKind

if TYPE_CHECKING:
    from station.security.certstore import CertStore, Leaf

__all__ = ["Standing", "standing_of"]

RENEW_BEFORE_S = 30 * 86_400.0  # A03: "will expire in one month"
RENEW_PART = 1 / 3  # of a life that is too short for that: else the new one would be renewed at once


@dataclass(frozen=True, slots=True)
class Standing:
    """Times are wall seconds.

    in_use: label of the station certificate to use now. changes: when another is to be used by itself. renew: when to ask for a
    successor to the newest certificate of a kind.
    """

    credentials: Credentials = field(default_factory=Credentials)
    in_use: str | None = None
    changes: float | None = None
    renew: Mapping[LeafKind, float] = field(default_factory=dict)


def standing_of(store: CertStore, wall: float | None) -> Standing:
    """In a worker thread. `wall` None: the clock is not known. Raises SecurityError."""
    leaf = store.leaf(LeafKind.STATION, wall)
    newest = {kind: leaves[0] for kind in LeafKind if (leaves := store.leaves(kind))}
    return Standing(
        credentials=store.credentials(wall),
        in_use=None if leaf is None else leaf.label,
        changes=None if wall is None else store.next_change(wall),
        renew={kind: one.not_after - _ahead(one) for kind, one in newest.items()},
    )


def _ahead(leaf: Leaf) -> float:
    """How long before its end a certificate is renewed, in seconds."""
    return min(RENEW_BEFORE_S, (leaf.not_after - leaf.not_before) * RENEW_PART)
