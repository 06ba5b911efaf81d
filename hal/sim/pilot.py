"""Control pilot and proximity contact as circuits (IEC 61851-1 annexes A, B): volts from ohms, states from volts."""

from __future__ import annotations

from hal.api import PilotSignal, PilotState

SOURCE_V = 12.0
SOURCE_OHM = 1000.0  # R1 in the EVSE
DIODE_V = 0.7

# What the vehicle puts between pilot and earth: R2; with S2 closed R2 parallel R3, for D with the ventilation resistor.
OHM_B = 2740.0
OHM_C = 882.0
OHM_D = 246.0

# IEC 61851-1 table A.1: A 12 V, B 9 V, C 6 V, D 3 V, each +-1 V; the limits lie midway.
_LIMITS = ((10.5, PilotState.A), (7.5, PilotState.B), (4.5, PilotState.C), (1.5, PilotState.D))

# Annex B: rating of a cable assembly -> its resistor, and the window in which the EVSE reads it.
PP_OHM = {13.0: 1500.0, 20.0: 680.0, 32.0: 220.0, 63.0: 100.0}
_PP_WINDOWS = ((75.0, 150.0, 63.0), (150.0, 330.0, 32.0), (330.0, 1000.0, 20.0), (1000.0, 2200.0, 13.0))


def positive_v(ohm: float | None, diode_shorted: bool = False) -> float:
    """Pilot volts of the positive half wave (or X1). ohm: pilot to earth on the vehicle side; None: nothing there."""
    if ohm is None:
        return SOURCE_V
    drop = 0.0 if diode_shorted or ohm == 0.0 else DIODE_V
    return (SOURCE_V - drop) * ohm / (ohm + SOURCE_OHM) + drop


def negative_v(ohm: float | None, diode_shorted: bool = False) -> float:
    """Pilot volts of the negative half wave: -12 V as long as the vehicle's diode blocks."""
    if ohm is None or (ohm > 0.0 and not diode_shorted):
        return -SOURCE_V
    return -SOURCE_V * ohm / (ohm + SOURCE_OHM)


def classify(volts: float) -> PilotState:
    """The state that a positive pilot voltage means; E below all limits."""
    for limit, state in _LIMITS:
        if volts > limit:
            return state
    return PilotState.E


def state_of(signal: PilotSignal, ohm: float | None, diode_shorted: bool = False) -> PilotState:
    """The pilot state that an EVSE reads while it gives `signal`."""
    if ohm != 0.0 and signal is PilotSignal.FAULT:
        return PilotState.F
    return classify(positive_v(ohm, diode_shorted))


def diode_missing(signal: PilotSignal, ohm: float | None, diode_shorted: bool) -> bool:
    """True when the negative half wave of a PWM shows that a vehicle has no working diode."""
    return signal is PilotSignal.PWM and ohm is not None and ohm > 0.0 and negative_v(ohm, diode_shorted) > -10.0


def cable_rating_a(ohm: float) -> float | None:
    """Rating of the cable whose PP resistor reads `ohm`; None when no window fits (a proximity fault)."""
    for low, high, rating in _PP_WINDOWS:
        if low <= ohm < high:
            return rating
    return None
