"""The notation in which the standard components are written down: one call per variable."""

from __future__ import annotations

from dataclasses import dataclass

from station.core.variables import Definition, VariableKey

__all__ = ["READ_ONLY", "READ_WRITE", "WRITE_ONLY", "Component"]

READ_ONLY = "ReadOnly"
READ_WRITE = "ReadWrite"
WRITE_ONLY = "WriteOnly"


@dataclass(frozen=True, slots=True)
class Component:
    """One component of the template; calling it writes down one of its variables."""

    name: str
    evse: int | None = None
    connector: int | None = None

    def __call__(
        self,
        variable: str,
        data_type: str,
        default: str | None,
        description: str,
        *,
        instance: str | None = None,
        access: str = READ_WRITE,
        unit: str | None = None,
        low: float | None = None,
        high: float | None = None,
        values: tuple[str, ...] = (),
        constant: bool = False,
        live: bool = False,
        secret: bool = False,
        phase_suffix: bool = False,
        attributes: tuple[str, ...] = ("Actual",),
    ) -> Definition:
        """A definition. `low` and `high` are limits of the value, or of the length of a text or list.

        constant: follows from the hardware or the program, read-only for good.
        live: the station sets it while it runs; read-only, not kept over a restart.
        """
        return Definition(
            key=VariableKey(self.name, variable, variable_instance=instance, evse=self.evse, connector=self.connector),
            data_type=data_type,
            mutability=READ_ONLY if constant or live else access,
            default=default,
            unit=unit,
            min_limit=low,
            max_limit=high,
            values=values,
            persistent=not (constant or live),
            constant=constant,
            attributes=attributes,
            secret=secret,
            phase_suffix=phase_suffix,
            description=description,
        )
