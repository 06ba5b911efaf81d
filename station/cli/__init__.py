"""Subcommands of `station`, one file each: `add(commands)` describes the arguments, everything else is imported when it is used."""
