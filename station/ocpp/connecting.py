"""The next attempt to connect: which profile, with which password and certificate, and what its outcome means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from station.core.events import Event, NetworkUsed, SecurityNoted
from station.core.view import NetworkView
from station.errors import ConfigError
from station.ocpp.client_settings import TlsSource
from station.ocpp.link_settings import LinkSettings
from station.ocpp.network import NetworkChoice, Passwords, Secret, Target, secrets, subprotocols, unusable
from station.ocpp.trouble import UNAUTHORIZED, Trouble
from station.ocpp.variables import CommVariables

__all__ = ["Connecting"]

DISTRUSTED = "InvalidCsmsCertificate"


class Connecting:
    """One station's way to its CSMSs. base: the configured endpoint, used as it is while no slot is filled.

    look: the slots as the core has them. Set by the owner: `tls`, certificates (None: the files that `base` names), and `offer`, the
    subprotocols for an attempt.
    """

    __slots__ = (
        "_base",
        "_choice",
        "_doubted",
        "_heard",
        "_last_slot",
        "_look",
        "_noted",
        "_passwords",
        "_secret",
        "_target",
        "_told",
        "_variables",
        "offer",
        "tls",
    )

    def __init__(
        self,
        base: LinkSettings,
        look: Callable[[], NetworkView],
        variables: CommVariables,
    ) -> None:
        self._base = base
        self._look = look
        self._variables = variables
        self.tls: TlsSource | None = None
        self._choice = NetworkChoice(look, variables.network_attempts)
        self._passwords = Passwords()
        self._target: Target | None = None  # of the last attempt, and of the connection that it led to
        self._secret: Secret | None = None
        self._last_slot: int | None = None  # where a CSMS has accepted us since the start
        self._heard = False
        self._doubted = False  # a CSMS may have turned away our certificate since one accepted us
        self._told: NetworkUsed | None = None
        self._noted: set[tuple[str, str]] = set()
        self.offer: Callable[[], tuple[str, ...]] = self.configured

    # --- before an attempt ----------------------------------------------------------------------------------------

    def begin(self) -> None:
        """From the first slot of the order as it is now."""
        self._choice.begin()

    def configured(self) -> tuple[str, ...]:
        """What the next profile wants offered, best first."""
        return subprotocols(self._choice.target(), self._base.subprotocols())

    def _offer(self) -> tuple[str, ...]:
        return self.offer()

    def settings(self) -> LinkSettings:
        """For the next attempt. What is missing for it is told in `refusal`."""
        target = self._target = self._choice.target()
        variables, base = self._variables, self._base
        found = secrets(self._look(), variables.password(), _text(base.password), self.configured())
        secret = self._secret = self._passwords.consider(found)
        settings = replace(
            base,
            subprotocols=self._offer,
            ping_interval=variables.ping_s,
            back_off=lambda: variables.back_off(base.back_off()),
            password=None,
        )
        refusal = None
        if target is None:
            with_certificate = base.cert_file is not None
        else:
            with_certificate = target.profile.security_profile == 3
            refusal = unusable(target, secret=secret is not None, certificate=self._has_certificate())
            if with_certificate:
                secret = self._secret = None  # A00.FR.401: it is the certificate that proves who we are
        changes = {} if target is None else {"url": target.profile.url}
        if not with_certificate:
            settings = replace(settings, cert_file=None, key_file=None)
        if self.tls is not None:
            tls = self.tls
            settings = replace(settings, context=lambda: tls.context(certificate=with_certificate), vouched=tls.vouched)
        try:
            return replace(settings, **changes, password=None if secret is None else secret.value, refusal=refusal)  # type: ignore[arg-type]  # url only
        except ConfigError as error:  # an identity with a colon, and a password from the CSMS
            return replace(settings, refusal="; ".join(error.problems))

    def _has_certificate(self) -> bool:
        return self._base.cert_file is not None or (self.tls is not None and self.tls.has_certificate())

    # --- what comes of it -----------------------------------------------------------------------------------------

    def failed(self, trouble: Trouble) -> list[Event]:
        """An attempt came to nothing. The same cause is reported once, until a connection has stood (A00.FR.310, .316, .323)."""
        if trouble.status == UNAUTHORIZED:
            self._passwords.refused()
        place = "" if self._target is None else self._target.profile.url
        self._attempt_failed(doubt=trouble.doubts_us)
        if trouble.event == DISTRUSTED and self.tls is not None:
            self.tls.distrusted()
        if trouble.event is None or (trouble.event, place) in self._noted:
            return []
        self._noted.add((trouble.event, place))
        return [SecurityNoted(trouble.event, trouble.words)]

    def _attempt_failed(self, *, doubt: bool) -> None:
        """doubt: the CSMS was there, and may not have liked who we are."""
        self._doubted |= doubt and self.secured_by_certificate
        if not self._choice.failed():
            return
        # A02.FR.28. A CSMS that was never reached says nothing of the certificate, so the newer one is not given up for that.
        if self._doubted and self.tls is not None:
            self.tls.refused()
        self._doubted = False

    def opened(self) -> bool:
        """A connection stands. True when it is over another profile than the last: we register anew (B10.FR.10)."""
        self._heard = False
        return self._target is not None and self._last_slot not in (None, self._target.slot)

    def heard(self) -> None:
        """The CSMS has sent something."""
        self._heard = True

    def accepted(self) -> list[Event]:
        """The CSMS has accepted us, now or before a short break; what the core should know of it."""
        self._noted.clear()
        target = self._target
        if target is None:
            return []
        self._choice.worked()
        self._doubted = False
        if target.profile.security_profile >= 2 and self.tls is not None:
            self.tls.worked()
        self._last_slot = target.slot
        form = "" if self._secret is None else self._secret.form
        used = NetworkUsed(target.slot, target.profile.security_profile, form, target.profile)
        if used == self._told:
            return []
        self._told = used
        return [used]

    def closed(self, *, was_accepted: bool) -> None:
        """The connection has ended. One on which the CSMS never said a word of acceptance was a failed attempt."""
        if was_accepted and self._heard:
            self._choice.worked()
        else:
            self._attempt_failed(doubt=not self._heard)

    def changed(self) -> None:
        """Passwords or profiles are others: what works is to be told again."""
        self._told = None

    @property
    def secured_by_certificate(self) -> bool:
        """The connection (or the next attempt) uses the station's certificate."""
        return self._target is not None and self._target.profile.security_profile == 3

    def message_timeout_s(self) -> float:
        """Of the profile in use, else MessageTimeout."""
        own = 0 if self._target is None else self._target.profile.message_timeout_s
        return float(own) if own > 0 else self._variables.message_timeout_s()


def _text(password: str | bytes | None) -> str | None:
    return password.decode("utf-8", "replace") if isinstance(password, bytes) else password
