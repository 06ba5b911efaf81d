"""Durable state of one station: rows, records that must arrive, dead letters (LAW 5).

    ops.py         what can be asked for in one transaction, and the StorePort
    sqlite.py      the store: one SQLite file, one writer, group commit
    connection.py  a checked, migrated connection with durable commits
    statements.py  operations -> SQL
    migrate.py     migrations/NNNN_name.sql, one transaction each, backup before
    lock.py        one process per file
    private.py     every file is for its owner only
    reserve.py     space for starting on a full disk
    remedy.py      SQLite's errors -> StoreError with the way out
    recover.py     a damaged file is kept, what can be read goes into a new one
    offline.py     reading the store of a station that does not run

Row kinds with a rule of their own: `security_log` (only the newest SECURITY_LOG_ROWS rows stay), `job` (runtime.jobs).
"""
