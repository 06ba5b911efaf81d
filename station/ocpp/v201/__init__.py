"""OCPP 2.0.1: one file per functional block, composed in `dialect`.

Each block file holds its renderings and a table `HANDLERS` (action -> function). What later blocks add (D, H, I, K, L,
M, N, O) is a new file and one more table in `dialect.HANDLERS`.
"""
