"""The configuration keys of 1.6 (chapter 9) as a view on the device model. One row of `TABLE` per key.

A key exists when its variable does (or when it is computed), so a station without an authorisation cache has no
AuthorizationCacheEnabled, as chapter 9 asks of optional keys. Key names compare without case (CiString50Type).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from station.core.components_charging import CONTROLLER
from station.core.device_model import DeviceModel
from station.core.events import VariableWrite
from station.core.measurands import split_phase
from station.core.variables import Definition
from station.ocpp.dialect import DialectSettings
from station.ocpp.v16.charging import offered
from station.ocpp.v16.metering import MEASURANDS

FEATURE_PROFILES = ("Core", "RemoteTrigger")  # exact names: CSMSs look for them
SMART_CHARGING = "SmartCharging"
MAX_KEYS = 100
"""GetConfigurationMaxKeys: what we promise; a longer request is answered all the same."""

SECURITY_PROFILE = "SecurityProfile"
VALUE_LENGTH = 500  # CiString500Type

_ROTATIONS = frozenset({"NotApplicable", "Unknown", "RST", "RTS", "SRT", "STR", "TRS", "TSR"})
_BOOLEANS = frozenset({"true", "false"})
_LISTS = frozenset({"MemberList", "SequenceList"})
_INTEGER = re.compile(r"[0-9]{1,10}", re.ASCII)
_FOLDED_MEASURANDS = frozenset(m.casefold() for m in MEASURANDS)

Check = Callable[[str, DialectSettings], bool]
Computed = Callable[[DeviceModel, DialectSettings], str | None]


@dataclass(frozen=True, slots=True)
class Joint:
    """What one key of 1.6 means is spread over two variables of 2.x.

    told: the value as it takes effect, from that of the key's own variable. writes: what else a new value changes.
    """

    told: Callable[[str, DeviceModel], str]
    writes: Callable[[str, DeviceModel], tuple[VariableWrite, ...]]


@dataclass(frozen=True, slots=True)
class Key:
    """One configuration key: a variable, or a value that the station computes (then it is read-only).

    list_of: check of one member of a comma-separated list. read_only: even if the variable is not.
    commanded: writable though its variable is not: a new value is a command.
    computed: used when there is no such variable; None from it: no such key.
    joint: the key has a say in another variable too.
    feature: whether the station has what the key belongs to; without it there is no such key.
    """

    name: str
    component: str = ""
    variable: str = ""
    instance: str | None = None
    list_of: Check | None = None
    computed: Computed | None = None
    read_only: bool = False
    commanded: bool = False
    joint: Joint | None = None
    feature: Callable[[DeviceModel], bool] | None = None

    def definition(self, model: DeviceModel) -> Definition | None:
        if not self.component:
            return None
        return model.find(self.component, self.variable, variable_instance=self.instance)


@dataclass(frozen=True, slots=True)
class Setting:
    """A key as this station has it. `value` None: never told (a credential). `definition` None: computed."""

    key: Key
    value: str | None
    read_only: bool
    definition: Definition | None


def look_up(name: str, model: DeviceModel, settings: DialectSettings) -> Setting | None:
    """The key of this name in any case; None when this station has no such key."""
    key = _BY_NAME.get(name.casefold())
    return None if key is None else _setting(key, model, settings)


def all_settings(model: DeviceModel, settings: DialectSettings) -> Iterator[Setting]:
    """Every key of this station, in the order of the table."""
    for key in TABLE:
        found = _setting(key, model, settings)
        if found is not None:
            yield found


def wire_value(setting: Setting, text: str, settings: DialectSettings) -> str | None:
    """The text to write into the variable for a value from the CSMS; None when it is no value of this key.

    Limits of the variable are checked by the device model; here, only what 1.6 itself says.
    """
    definition = setting.definition
    if definition is None:
        return None
    if definition.secret:
        return text  # spaces may belong to a password
    text = text.strip()
    if definition.data_type == "boolean":
        return text.lower() if text.lower() in _BOOLEANS else None
    if definition.data_type in {"integer", "decimal"}:
        # No key of chapter 9 may be negative; WebSocketPingInterval says so expressly.
        return str(int(text)) if _INTEGER.fullmatch(text) else None
    check = setting.key.list_of
    if check is None and definition.data_type not in _LISTS:
        return text
    items = [item.strip() for item in text.split(",")] if text else []
    if not all(items) or (check is not None and not all(check(item, settings) for item in items)):
        return None
    return ",".join(items)


def _setting(key: Key, model: DeviceModel, settings: DialectSettings) -> Setting | None:
    if key.feature is not None and not key.feature(model):
        return None
    definition = key.definition(model)
    if definition is None:
        value = key.computed(model, settings) if key.computed is not None else None
        return None if value is None else Setting(key, value, read_only=True, definition=None)
    read_only = key.read_only or definition.constant or (definition.mutability == "ReadOnly" and not key.commanded)
    if definition.secret or definition.mutability == "WriteOnly":
        return Setting(key, None, read_only=read_only, definition=definition)
    return Setting(key, _shown(key, definition, model, settings), read_only=read_only, definition=definition)


def _shown(key: Key, definition: Definition, model: DeviceModel, settings: DialectSettings) -> str:
    """Value as 1.6 may see it: list members that it has no word for are left out, and it fits the field."""
    value = model.value(definition.key) or ""
    if key.joint is not None:
        return key.joint.told(value, model)
    if key.list_of is None and definition.data_type not in _LISTS:
        return value[:VALUE_LENGTH]
    shown = ""
    for item in filter(None, value.split(",")):
        longer = f"{shown},{item}" if shown else item
        if (key.list_of is None or key.list_of(item, settings)) and len(longer) <= VALUE_LENGTH:
            shown = longer
    return shown


def _is_measurand(item: str, _settings: DialectSettings) -> bool:
    """A measurand of 1.6, also with a phase ("Voltage.L1", 9.1.17). Whether we measure it, the variable says."""
    return split_phase(item)[0].casefold() in _FOLDED_MEASURANDS


def _is_rotation(item: str, settings: DialectSettings) -> bool:
    """9.1.7: `connector.rotation`; 0 is the main meter."""
    connector, _, rotation = item.partition(".")
    return rotation in _ROTATIONS and connector in {"0", *map(str, settings.evses)}


def _rotations(_model: DeviceModel, settings: DialectSettings) -> str | None:
    return ",".join(f"{evse}.Unknown" for evse in settings.evses)[:VALUE_LENGTH]


def _constant(value: Any) -> Computed:
    return lambda _model, _settings: str(value)


def _list_length(component: str, variable: str) -> Computed:
    """The ...MaxLength key of a measurand list: every supported measurand once. None when anything may be listed."""

    def computed(model: DeviceModel, settings: DialectSettings) -> str | None:
        definition = model.find(component, variable)
        known = [v for v in definition.values if _is_measurand(v, settings)] if definition is not None else []
        return str(len(known)) if known else None

    return computed


def _feature_profiles(model: DeviceModel) -> tuple[str, ...]:
    return (*FEATURE_PROFILES, SMART_CHARGING) if offered(model) else FEATURE_PROFILES


def _features(model: DeviceModel, _settings: DialectSettings) -> str | None:
    return ",".join(_feature_profiles(model))


def _feature_count(model: DeviceModel, _settings: DialectSettings) -> str | None:
    return str(len(_feature_profiles(model)))


def _profile_places(model: DeviceModel, _settings: DialectSettings) -> str | None:
    """9.3.5: how many charging profiles may be installed."""
    entries = model.find(CONTROLLER, "Entries", variable_instance="ChargingProfiles")
    return None if entries is None or entries.max_limit is None else str(int(entries.max_limit))


_QUANTITIES = {"A": "Current", "W": "Power"}


def _quantities(value: str, _model: DeviceModel) -> str:
    """9.3.2: the units of 2.x by the names that 1.6 has for them."""
    return ",".join(_QUANTITIES[unit] for unit in value.split(",") if unit in _QUANTITIES)


_RATE_UNITS = Joint(_quantities, lambda _value, _model: ())


def _certificate_places(model: DeviceModel, _settings: DialectSettings) -> str | None:
    """7.4: how many root certificates may be installed."""
    entries = model.find("SecurityCtrlr", "CertificateEntries")
    return None if entries is None or entries.max_limit is None else str(int(entries.max_limit))


_FALL_WITH_THE_CABLE = frozenset({"EVConnected", "PowerPathClosed", "EnergyTransfer"})
"""Stop points (TxStopPoint) that an unplugged vehicle always ends."""


def _stops_when_unplugged(value: str, model: DeviceModel) -> str:
    falls = _FALL_WITH_THE_CABLE.intersection(model.members("TxCtrlr", "TxStopPoint"))
    return "true" if falls else value


def _stop_points(value: str, model: DeviceModel) -> tuple[VariableWrite, ...]:
    """9.1.24 promises that the transaction goes on (or ends), whatever the stop points were before."""
    points = model.members("TxCtrlr", "TxStopPoint")
    others = [point for point in points if point not in _FALL_WITH_THE_CABLE]
    falls = len(others) < len(points)
    if falls is (value == "true"):
        return ()
    wanted = (others or ["Authorized"]) if falls else ["EVConnected", *others]
    return (VariableWrite("TxCtrlr", "TxStopPoint", ",".join(wanted)),)


_UNPLUGGED = Joint(_stops_when_unplugged, _stop_points)


def _same(value: str, _model: DeviceModel) -> str:
    return value


def _collected_too(value: str, _model: DeviceModel) -> tuple[VariableWrite, ...]:
    """9.1.4: the same interval takes the samples of StopTxnAlignedData, which 2.x has a variable of their own for."""
    return (VariableWrite("AlignedDataCtrlr", "TxEndedInterval", value),)


_ALIGNED = Joint(_same, _collected_too)

TABLE: tuple[Key, ...] = (
    # 9.1 Core
    Key("AllowOfflineTxForUnknownId", "AuthCtrlr", "OfflineTxForUnknownIdEnabled"),
    Key("AuthorizationCacheEnabled", "AuthCacheCtrlr", "Enabled"),
    Key("AuthorizeRemoteTxRequests", "AuthCtrlr", "AuthorizeRemoteStart"),
    Key("ClockAlignedDataInterval", "AlignedDataCtrlr", "Interval", joint=_ALIGNED),
    Key("ConnectionTimeOut", "TxCtrlr", "EVConnectionTimeOut"),
    Key(
        "ConnectorPhaseRotation",
        "OCPP16LegacyCtrlr",
        "ConnectorPhaseRotation",
        list_of=_is_rotation,
        computed=_rotations,
    ),
    Key("ConnectorPhaseRotationMaxLength", computed=lambda _model, settings: str(len(settings.evses) + 1)),
    Key("GetConfigurationMaxKeys", computed=_constant(MAX_KEYS)),
    Key("HeartbeatInterval", "OCPPCommCtrlr", "HeartbeatInterval"),
    Key("LocalAuthorizeOffline", "AuthCtrlr", "LocalAuthorizeOffline"),
    Key("LocalPreAuthorize", "AuthCtrlr", "LocalPreAuthorize"),
    Key("MaxEnergyOnInvalidId", "TxCtrlr", "MaxEnergyOnInvalidId"),
    Key("MeterValuesAlignedData", "AlignedDataCtrlr", "Measurands", list_of=_is_measurand),
    Key("MeterValuesAlignedDataMaxLength", computed=_list_length("AlignedDataCtrlr", "Measurands")),
    Key("MeterValuesSampledData", "SampledDataCtrlr", "TxUpdatedMeasurands", list_of=_is_measurand),
    Key("MeterValuesSampledDataMaxLength", computed=_list_length("SampledDataCtrlr", "TxUpdatedMeasurands")),
    Key("MeterValueSampleInterval", "SampledDataCtrlr", "TxUpdatedInterval"),
    Key("MessageTimeout", "OCPPCommCtrlr", "MessageTimeout", "Default"),
    Key("MinimumStatusDuration", "OCPP16LegacyCtrlr", "MinimumStatusDuration"),
    Key("NumberOfConnectors", computed=lambda _model, settings: str(len(settings.evses))),
    Key("ResetRetries", "OCPPCommCtrlr", "ResetRetries"),
    Key("StopTransactionOnEVSideDisconnect", "TxCtrlr", "StopTxOnEVSideDisconnect", joint=_UNPLUGGED),
    Key("StopTransactionOnInvalidId", "TxCtrlr", "StopTxOnInvalidId"),
    Key("StopTxnAlignedData", "AlignedDataCtrlr", "TxEndedMeasurands", list_of=_is_measurand),
    Key("StopTxnAlignedDataMaxLength", computed=_list_length("AlignedDataCtrlr", "TxEndedMeasurands")),
    Key("StopTxnSampledData", "SampledDataCtrlr", "TxEndedMeasurands", list_of=_is_measurand),
    Key("StopTxnSampledDataMaxLength", computed=_list_length("SampledDataCtrlr", "TxEndedMeasurands")),
    Key("SupportedFeatureProfiles", computed=_features),
    Key("SupportedFileTransferProtocols", "OCPPCommCtrlr", "FileTransferProtocols"),
    Key("SupportedFeatureProfilesMaxLength", computed=_feature_count),
    Key("TransactionMessageAttempts", "OCPPCommCtrlr", "MessageAttempts", "TransactionEvent"),
    Key("TransactionMessageRetryInterval", "OCPPCommCtrlr", "MessageAttemptInterval", "TransactionEvent"),
    Key("UnlockConnectorOnEVSideDisconnect", "OCPPCommCtrlr", "UnlockOnEVSideDisconnect"),
    Key("WebSocketPingInterval", "OCPPCommCtrlr", "WebSocketPingInterval"),
    # 9.3 Smart charging
    Key("ChargeProfileMaxStackLevel", CONTROLLER, "ProfileStackLevel", read_only=True, feature=offered),
    Key(
        "ChargingScheduleAllowedChargingRateUnit",
        CONTROLLER,
        "RateUnit",
        read_only=True,
        joint=_RATE_UNITS,
        feature=offered,
    ),
    Key("ChargingScheduleMaxPeriods", CONTROLLER, "PeriodsPerSchedule", read_only=True, feature=offered),
    Key("ConnectorSwitch3to1PhaseSupported", CONTROLLER, "Phases3to1", read_only=True, feature=offered),
    Key("MaxChargingProfilesInstalled", computed=_profile_places, feature=offered),
    # Security whitepaper: the password is written only, and a profile can only be raised (A05).
    Key("AuthorizationKey", "SecurityCtrlr", "BasicAuthPassword"),
    Key("CpoName", "SecurityCtrlr", "OrganizationName"),
    Key("AdditionalRootCertificateCheck", "SecurityCtrlr", "AdditionalRootCertificateCheck"),
    Key("CertificateSignedMaxChainSize", "SecurityCtrlr", "MaxCertificateChainSize"),
    Key("CertificateStoreMaxLength", computed=_certificate_places),
    Key("CertSigningRepeatTimes", "SecurityCtrlr", "CertSigningRepeatTimes"),
    Key("CertSigningWaitMinimum", "SecurityCtrlr", "CertSigningWaitMinimum"),
    Key(SECURITY_PROFILE, "SecurityCtrlr", "SecurityProfile", commanded=True),
)

_BY_NAME = {key.name.casefold(): key for key in TABLE}
