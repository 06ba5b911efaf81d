"""The variables of the device model by which the OCPP client lives, read whenever they are needed."""

from __future__ import annotations

from collections.abc import Callable

from station.core.device_model import DeviceModel
from station.ocpp.entries import RetryPolicy
from station.ocpp.link_settings import BackOff

_COMM = "OCPPCommCtrlr"
_TRANSACTION = "TransactionEvent"
_DEFAULT_TIMEOUT_S = 30.0
_STATUS_DURATION_AT = ("OCPP16LegacyCtrlr", "ChargingStation")


class CommVariables:
    """`model` is asked for at every reading. A variable that the station does not have counts as 0 or unset."""

    __slots__ = ("_model",)

    def __init__(self, model: Callable[[], DeviceModel]) -> None:
        self._model = model

    def _number(self, component: str, variable: str, instance: str | None = None) -> float:
        model = self._model()
        if model.find(component, variable, variable_instance=instance) is None:
            return 0.0
        return model.decimal(component, variable, variable_instance=instance)

    def heartbeat_s(self) -> float:
        return self._number(_COMM, "HeartbeatInterval")

    def message_timeout_s(self) -> float:
        return self._number(_COMM, "MessageTimeout", "Default") or _DEFAULT_TIMEOUT_S

    def network_attempts(self) -> int:
        """NetworkProfileConnectionAttempts, at least 1."""
        return max(1, int(self._number(_COMM, "NetworkProfileConnectionAttempts")))

    def offline_threshold_s(self) -> float:
        return self._number(_COMM, "OfflineThreshold")

    def ping_s(self) -> float:
        """0: no pings."""
        return self._number(_COMM, "WebSocketPingInterval")

    def retry_policy(self) -> RetryPolicy:
        attempts = self._number(_COMM, "MessageAttempts", _TRANSACTION)
        return RetryPolicy(max(1, int(attempts)), self._number(_COMM, "MessageAttemptInterval", _TRANSACTION))

    def status_duration_s(self) -> float:
        """MinimumStatusDuration, wherever this station has it."""
        return max(self._number(component, "MinimumStatusDuration") for component in _STATUS_DURATION_AT)

    def back_off(self, otherwise: BackOff) -> BackOff:
        """RetryBackOff*; `otherwise` for a station without these variables."""
        if self._model().find(_COMM, "RetryBackOffWaitMinimum") is None:
            return otherwise
        return BackOff(
            wait_minimum_s=self._number(_COMM, "RetryBackOffWaitMinimum"),
            random_range_s=self._number(_COMM, "RetryBackOffRandomRange"),
            repeat_times=int(self._number(_COMM, "RetryBackOffRepeatTimes")),
        )

    def clock_from_heartbeat(self) -> bool:
        """Whether the CSMS's currentTime sets the clock (ClockCtrlr.TimeSource)."""
        model = self._model()
        return model.find("ClockCtrlr", "TimeSource") is None or "Heartbeat" in model.members(
            "ClockCtrlr", "TimeSource"
        )

    def password(self) -> str | None:
        """BasicAuthPassword as the CSMS has set it, None when it has not."""
        model = self._model()
        if model.find("SecurityCtrlr", "BasicAuthPassword") is None:
            return None
        return model.text("SecurityCtrlr", "BasicAuthPassword") or None
