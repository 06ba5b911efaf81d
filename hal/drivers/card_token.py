"""From the bytes of a card to the token that the CSMS knows, and how long one presentation lasts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hal.api import CardPresented, TokenKind
from hal.settings import SettingsReader

_RANDOM_FIRST = 0x08  # ISO/IEC 14443-3: a single-size UID that begins so is another one at every activation
_SINGLE_SIZE = 4
MOST_CHARACTERS = 36
"""IdTokenType.idToken of OCPP 2.0.1; an idTag of 1.6 has at most 20."""

CARD_KINDS = tuple(kind.value for kind in TokenKind if kind not in {TokenKind.KEY_CODE, TokenKind.NO_AUTHORIZATION})


def is_random(uid: bytes) -> bool:
    """Phones and passports show such a UID: it names nobody."""
    return len(uid) == _SINGLE_SIZE and uid[0] == _RANDOM_FIRST


@dataclass(frozen=True, slots=True)
class TokenOptions:
    """reverse: the last byte first. upper: hexadecimal digits A to F, else a to f. max_bytes: what is beyond is cut off
    (0: nothing). prefix: put before the digits. random: pass UIDs on that are made up by the card (with a flag).
    """

    evse: int | None = None
    kind: TokenKind = TokenKind.ISO14443
    reverse: bool = False
    upper: bool = True
    max_bytes: int = 0
    prefix: str = ""
    random: bool = True

    def token(self, uid: bytes) -> str:
        """The identifier of a card. OCPP 2.x, appendix 7 (ISO14443): all bytes, hexadecimal, in the reader's order."""
        if self.max_bytes:
            uid = uid[: self.max_bytes]
        if self.reverse:
            uid = uid[::-1]
        digits = uid.hex()
        return self.prefix + (digits.upper() if self.upper else digits)

    def event(self, uid: bytes) -> CardPresented | None:
        """What to tell about a card; None when it is not to be told."""
        random = is_random(uid)
        if random and not self.random:
            return None
        return CardPresented(self.evse, self.token(uid), self.kind, random)


def read_options(reader: SettingsReader, *, longest: int) -> TokenOptions:
    """The options that every card reader has. longest: bytes that its cards can have. `evse` 0: the whole station."""
    prefix = reader.text("prefix", " ")
    options = TokenOptions(
        evse=reader.integer("evse", 0, 0, 999) or None,
        kind=TokenKind(reader.text("kind", TokenKind.ISO14443.value, CARD_KINDS)),
        reverse=reader.flag("reverse", False),
        upper=reader.text("case", "upper", ("upper", "lower")) == "upper",
        max_bytes=reader.integer("max_bytes", 0, 0, longest),
        prefix=prefix.strip(),
        random=reader.text("random", "flag", ("flag", "ignore")) == "flag",
    )
    most = MOST_CHARACTERS - 2 * (options.max_bytes or longest)
    if len(options.prefix) > most:
        reader.problems.append(f"reader.prefix: must be at most {most} characters, or the token is too long for OCPP")
    return options


class Presence:
    """Which cards are there: a card counts again only after it was away for `debounce_s`.

    Cards with a random UID are taken to be one: each look at the same phone shows another.
    """

    __slots__ = ("_debounce_s", "_seen")

    def __init__(self, debounce_s: float) -> None:
        self._debounce_s = debounce_s
        self._seen: dict[bytes, float] = {}

    def look(self, uids: Iterable[bytes], now: float) -> bytes | None:
        """What was seen in one look. Returns a card that has come; of several (a wallet) the first, the others never count."""
        self._seen = {uid: at for uid, at in self._seen.items() if now - at < self._debounce_s}
        come = None
        others = bool(self._seen)
        in_sight = False
        for uid in uids:
            key = bytes((_RANDOM_FIRST,)) if is_random(uid) else uid
            if key in self._seen:
                in_sight = True
            elif come is None:
                come = uid
            self._seen[key] = now
        return None if others and in_sight else come

    def anybody(self, now: float) -> bool:
        """Whether a card is there, or was just now."""
        return any(now - at < self._debounce_s for at in self._seen.values())

    def forget(self) -> None:
        self._seen.clear()
