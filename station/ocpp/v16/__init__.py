"""OCPP 1.6J: one file per feature area, composed in `dialect`."""
