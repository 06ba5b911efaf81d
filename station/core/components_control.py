"""Controllers that run a charging session: communication, authorisation, transactions and metering."""

from __future__ import annotations

from station.core.components_table import READ_ONLY, READ_WRITE, WRITE_ONLY, Component
from station.core.measurands import supported
from station.core.types import TxPoint
from station.core.variables import Definition

__all__ = ["control_definitions"]

DAY_S = 86400
MOST_CERTIFICATES = 64
NETWORK_SLOTS = ("1", "2", "3", "4")
SAMPLED = "Energy.Active.Import.Register,Power.Active.Import,Current.Import,SoC"
REGISTER = "Energy.Active.Import.Register"
START_POINTS = tuple(point.value for point in TxPoint)
# DataSigned is the arrival of the first signed reading: something to start at, never to stop at.
STOP_POINTS = tuple(point.value for point in TxPoint if point is not TxPoint.DATA_SIGNED)


def control_definitions(*, unlocks: bool) -> list[Definition]:
    """`unlocks`: some EVSE has a socket with a lock, so that a plug can be released on this side."""
    return [
        *_communication(unlocks=unlocks),
        *_transactions(),
        *_sampled(),
        *_aligned(),
        *_authorization(),
        *_auth_cache(),
        *_device_data(),
        *_clock(),
        *_security(),
        *_iso15118(),
    ]


def _communication(*, unlocks: bool) -> list[Definition]:
    row = Component("OCPPCommCtrlr")
    return [
        row("ActiveNetworkProfile", "string", "1", "Slot of the network connection profile in use.", live=True),
        row(
            "FileTransferProtocols",
            "MemberList",
            "",
            "Protocols for firmware and log files; empty: no files are transferred.",
            access=READ_ONLY,
            values=("FTP", "FTPS", "HTTP", "HTTPS", "SFTP"),
            constant=True,
        ),
        row("HeartbeatInterval", "integer", "300", "Silence after which a heartbeat is sent.", unit="s", low=1),
        row(
            "MessageTimeout",
            "integer",
            "30",
            "How long an answer of the CSMS is waited for.",
            instance="Default",
            access=READ_ONLY,
            unit="s",
            low=1,
        ),
        row(
            "MessageAttemptInterval",
            "integer",
            "60",
            "Seconds before a transaction message that failed is sent again, times the number of attempts so far.",
            instance="TransactionEvent",
            low=0,
        ),
        row(
            "MessageAttempts",
            "integer",
            "5",
            "How often a transaction message is sent that the CSMS fails to process.",
            instance="TransactionEvent",
            low=1,
        ),
        row(
            "NetworkConfigurationPriority",
            "SequenceList",
            "1",
            "Order in which network connection profiles are tried, after a restart.",
            low=1,
            values=NETWORK_SLOTS,
        ),
        row(
            "NetworkProfileConnectionAttempts",
            "integer",
            "3",
            "Attempts to connect before the next network connection profile is tried.",
            low=1,
            high=100,
        ),
        row(
            "OfflineThreshold",
            "integer",
            "600",
            "After being offline longer than this, the status of every connector is sent, else only what changed.",
            unit="s",
            low=0,
        ),
        row("ResetRetries", "integer", "1", "How often a reset that failed is tried again.", low=0),
        row("RetryBackOffRandomRange", "integer", "10", "Largest random part of a reconnection delay, seconds.", low=0),
        row("RetryBackOffRepeatTimes", "integer", "5", "How often the reconnection delay is doubled.", low=0, high=30),
        row("RetryBackOffWaitMinimum", "integer", "10", "First reconnection delay, seconds.", low=1),
        # Part 2, UnlockOnEVSideDisconnect: with fixed cables only, it is read-only and false.
        row(
            "UnlockOnEVSideDisconnect",
            "boolean",
            "true" if unlocks else "false",
            "Release the plug in the station's socket when the cable is unplugged at the vehicle.",
            constant=not unlocks,
        ),
        row("WebSocketPingInterval", "integer", "30", "Seconds between WebSocket pings; 0: none.", unit="s", low=0),
    ]


def _transactions() -> list[Definition]:
    row = Component("TxCtrlr")
    return [
        row(
            "EVConnectionTimeOut",
            "integer",
            "60",
            "How long an authorisation waits for the cable to be plugged in.",
            unit="s",
            low=0,
        ),
        row(
            "MaxEnergyOnInvalidId",
            "integer",
            "0",
            "Watt-hours still delivered after the CSMS has refused the token of a running transaction.",
            low=0,
        ),
        row(
            "StopTxOnEVSideDisconnect",
            "boolean",
            "true",
            "Unplugging at the vehicle ends the authorisation; else the transaction waits for the vehicle to return.",
        ),
        row(
            "StopTxOnInvalidId",
            "boolean",
            "true",
            "A token refused in mid-transaction ends its authorisation; else charging is only suspended.",
        ),
        row(
            "TxBeforeAcceptedEnabled",
            "boolean",
            "true",
            "Charging is possible before the CSMS has accepted the station after its start.",
        ),
        row(
            "TxStartPoint",
            "MemberList",
            "EVConnected,Authorized",
            "Any of these starts a transaction.",
            low=1,
            values=START_POINTS,
        ),
        row(
            "TxStopPoint",
            "MemberList",
            "EVConnected,Authorized",
            "The loss of any of these ends a transaction.",
            low=1,
            values=STOP_POINTS,
        ),
    ]


def _measurands(row: Component, variable: str, default: str, description: str) -> Definition:
    return row(variable, "MemberList", default, description, values=supported(), phase_suffix=True)


def _sampled() -> list[Definition]:
    row = Component("SampledDataCtrlr")
    return [
        row("Available", "boolean", "true", "Readings are sampled during transactions.", constant=True),
        row("Enabled", "boolean", "true", "Switches sampling on or off."),
        row("SignReadings", "boolean", "false", "Attach the meter's signed records where the meter has them."),
        row(
            "RegisterValuesWithoutPhases",
            "boolean",
            "true",
            "The energy register is reported as a total, never per phase.",
            constant=True,
        ),
        row(
            "TxEndedInterval",
            "integer",
            "0",
            "Interval of readings that are kept for the end of the transaction; 0: begin and end only.",
            unit="s",
            low=0,
            high=DAY_S,
        ),
        _measurands(row, "TxEndedMeasurands", REGISTER, "What the end of a transaction reports."),
        _measurands(row, "TxStartedMeasurands", REGISTER, "What the start of a transaction reports."),
        row(
            "TxUpdatedInterval",
            "integer",
            "60",
            "Interval of readings that are sent during a transaction; 0: none.",
            unit="s",
            low=0,
            high=DAY_S,
        ),
        _measurands(row, "TxUpdatedMeasurands", SAMPLED, "What is reported during a transaction."),
    ]


def _aligned() -> list[Definition]:
    row = Component("AlignedDataCtrlr")
    return [
        row("Available", "boolean", "true", "Readings can be taken at fixed times of the day.", constant=True),
        row("Enabled", "boolean", "true", "Switches clock-aligned readings on or off."),
        row(
            "Interval",
            "integer",
            "0",
            "Interval of clock-aligned readings, counted from midnight UTC; 0: none.",
            unit="s",
            low=0,
            high=DAY_S,
        ),
        _measurands(row, "Measurands", SAMPLED, "What a clock-aligned reading reports."),
        row("SendDuringIdle", "boolean", "false", "Send clock-aligned readings only while no transaction runs."),
        row("SignReadings", "boolean", "false", "Attach the meter's signed records where the meter has them."),
        row(
            "TxEndedInterval",
            "integer",
            "0",
            "Interval of clock-aligned readings that are kept for the end of the transaction; 0: none.",
            unit="s",
            low=0,
            high=DAY_S,
        ),
        _measurands(row, "TxEndedMeasurands", "", "What clock-aligned readings at the end of a transaction report."),
    ]


def _authorization() -> list[Definition]:
    row = Component("AuthCtrlr")
    return [
        row("Enabled", "boolean", "true", "Ask for authorisation before charging; else anybody may charge."),
        row("AuthorizeRemoteStart", "boolean", "true", "A remote start is authorised like a card before it charges."),
        row(
            "DisableRemoteAuthorization",
            "boolean",
            "false",
            "Never ask the CSMS about a token; only what the station itself knows counts.",
        ),
        row("LocalAuthorizeOffline", "boolean", "true", "Offline, a token that the station knows may start to charge."),
        row(
            "LocalPreAuthorize",
            "boolean",
            "false",
            "Online, a token that the station knows starts at once, without waiting for the CSMS.",
        ),
        # IdTokenType.idToken has at most 36 characters.
        row("MasterPassGroupId", "string", "", "Tokens of this group may end any transaction and start none.", high=36),
        row("OfflineTxForUnknownIdEnabled", "boolean", "false", "Offline, a token that nobody knows may charge."),
    ]


def _auth_cache() -> list[Definition]:
    row = Component("AuthCacheCtrlr")
    return [
        row("Available", "boolean", "true", "The station can remember what the CSMS said of a token.", constant=True),
        row("Enabled", "boolean", "true", "Switches the authorisation cache on or off."),
        # The specification gives 0 no meaning; expiring at once would only be another way to say Enabled=false.
        row("LifeTime", "integer", "0", "Seconds since its last use after which an entry expires; 0: never.", low=0),
        row(
            "Policy",
            "OptionList",
            "LRU",
            "Which entry makes room for another: the least recently used one.",
            values=("LRU",),
            constant=True,
        ),
        row(
            "DisablePostAuthorize",
            "boolean",
            "false",
            "Do not ask the CSMS again about a token that the cache knows as refused.",
        ),
    ]


def _device_data() -> list[Definition]:
    row = Component("DeviceDataCtrlr")
    limits = [
        row(variable, "integer", default, description, instance=message, access=READ_ONLY, low=1)
        for variable, default, description in (
            ("BytesPerMessage", "65536", "Largest request of this kind, in bytes."),
            ("ItemsPerMessage", "100", "Most variables in one request of this kind."),
        )
        for message in ("GetReport", "GetVariables", "SetVariables")
    ]
    # 2.0.1 schemas: SetVariableDataType.attributeValue 1000, GetVariableResultType.attributeValue 2500.
    return [
        *limits,
        row("ConfigurationValueSize", "integer", "1000", "Longest value that can be set.", constant=True),
        row("ReportingValueSize", "integer", "2500", "Longest value that is reported.", constant=True),
    ]


def _clock() -> list[Definition]:
    row = Component("ClockCtrlr")
    return [
        row("DateTime", "dateTime", None, "The station's clock.", live=True),
        row(
            "TimeAdjustmentReportingThreshold",
            "integer",
            "20",
            "A correction of the clock by more seconds than this is a security event.",
            low=0,
        ),
        # A list without Heartbeat leaves the clock to the operating system, which is where NTP runs.
        row(
            "TimeSource",
            "SequenceList",
            "Heartbeat",
            "Where the time comes from, best source first.",
            low=1,
            values=("Heartbeat", "NTP"),
        ),
    ]


def _security() -> list[Definition]:
    row = Component("SecurityCtrlr")
    return [
        *_certificates(row),
        row(
            "AllowSecurityProfileDowngrade",
            "boolean",
            "false",
            "A CSMS may go back from security profile 3 to 2, never to less. The operator decides.",
            access=READ_ONLY,
        ),
        row(
            "BasicAuthPassword",
            "string",
            None,
            "Password of HTTP basic authentication.",
            access=WRITE_ONLY,
            low=16,  # A00.FR.205
            high=40,
            secret=True,
        ),
        row("Identity", "string", None, "Name under which the station connects.", access=READ_ONLY, high=48),
        # RFC 5280, ub-organization-name: a longer one could be in no certificate.
        row("OrganizationName", "string", "", "Operator of the station, for certificates.", access=READ_WRITE, high=64),
        row("SecurityProfile", "integer", "0", "Security profile in use; 0: none.", live=True, low=0, high=3),
    ]


def _certificates(row: Component) -> list[Definition]:
    return [
        row(
            "AdditionalRootCertificateCheck",
            "boolean",
            "false",
            "A new root certificate of the CSMS must be signed by the one that it replaces (M05).",
            access=READ_ONLY,
        ),
        # M05.FR.06: maxLimit is how many there may be.
        row("CertificateEntries", "integer", "0", "Certificates installed.", live=True, low=0, high=MOST_CERTIFICATES),
        row(
            "CertSigningRepeatTimes",
            "integer",
            "3",
            "How often a request for a certificate is sent again when the CSMS brings none.",
            low=0,
            high=30,
        ),
        row(
            "CertSigningWaitMinimum",
            "integer",
            "30",
            "How long the first certificate is waited for; doubled each time the request is sent again.",
            unit="s",
            low=1,
            high=DAY_S,
        ),
        # CertificateSigned.certificateChain has at most 10,000 characters.
        row(
            "MaxCertificateChainSize",
            "integer",
            "10000",
            "Longest certificate chain that the CSMS may bring, in characters.",
            access=READ_ONLY,
            low=1,
            high=10_000,
        ),
    ]


def _iso15118() -> list[Definition]:
    """What a certificate for vehicles names. The conversation with them (ISO 15118) is not there yet."""
    row = Component("ISO15118Ctrlr")
    return [
        row("Available", "boolean", "false", "The station can speak with vehicles (ISO 15118).", constant=True),
        row("Enabled", "boolean", "false", "Switches that on or off.", constant=True),
        row("CountryName", "string", "", "Country in the certificate for vehicles, two letters (ISO 3166-1).", high=2),
        row("OrganizationName", "string", "", "Operator in the certificate for vehicles; empty: as in SecurityCtrlr."),
        row("SeccId", "string", "", "Common name in the certificate for vehicles; empty: none is asked for.", high=64),
        row(
            "V2GCertificateInstallationEnabled",
            "boolean",
            "true",
            "The CSMS may bring a certificate for vehicles (A02, A03).",
        ),
    ]
