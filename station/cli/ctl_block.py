"""What every way of showing an answer is made of."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Block"]


@dataclass(frozen=True, slots=True)
class Block:
    """A table. Without `head` it is a list of names and values."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
