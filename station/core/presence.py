"""Cards, PINs and buttons: at which EVSE did somebody present a token?"""

from __future__ import annotations

from collections.abc import Callable

from hal.api import ButtonPressed, CardPresented, KeyEntered
from station.core import authorize, permission
from station.core.effects import Refused
from station.core.state import EvseState, Turn
from station.core.types import IdToken, TokenKind

Presented = CardPresented | KeyEntered | ButtonPressed


def presented(turn: Turn, event: Presented) -> None:
    match event:
        case CardPresented():
            token = IdToken(event.value, event.kind, event.random)
        case KeyEntered():
            token = IdToken(event.pin, TokenKind.KEY_CODE)
        case ButtonPressed():
            token = permission.NOBODY
    evse = turn.state.evses.get(event.evse) if event.evse is not None else _choose(turn, token)
    if evse is None:
        turn.emit(Refused(event.evse, "there is no such EVSE"))
    else:
        permission.present(turn, evse, token, anywhere=event.evse is None)


def _choose(turn: Turn, token: IdToken) -> EvseState | None:
    """One reader for several EVSEs.

    Stop where this token (or its group) charges, else start where a vehicle waits, else where the place is free.
    """
    evses = list(turn.state.evses.values())
    known = authorize.lookup(turn, token)
    group = known.group if known is not None else None
    wishes: tuple[Callable[[EvseState], bool], ...] = (
        lambda e: (e.auth is not None and e.auth.token == token) or e.lock_holder == token,
        lambda e: e.auth is not None and e.auth.holds and authorize.same_group(group, e.auth.group),
        lambda e: e.pilot.connected and e.auth is None and not e.session_done,
        lambda e: e.auth is None and not e.pilot.connected and e.tx is None,
        lambda e: e.auth is None and e.pilot.connected,
    )
    return next((evse for wish in wishes for evse in evses if wish(evse)), evses[0] if evses else None)
