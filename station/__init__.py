"""Pilotwire: one program that is charging-station firmware, simulator and device under test."""

__version__ = "0.1.0"
