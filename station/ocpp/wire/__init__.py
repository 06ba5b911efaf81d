"""Generated TypedDicts of every request and response, so that wire names are never guessed.

Import them under `if TYPE_CHECKING:` only; at run time payloads are plain dicts, and `station.ocpp.schemas` checks them.
"""
