"""Stores that speak PostgreSQL's protocol: one renderer of SQL and one client, told apart by a `Dialect`.

::

    dialect.py      what differs between the stores, as a record
    settings.py     host, user, TLS: the settings that they share
    connecting.py   connections that are lent out, with time limits, and errors as ours
    identities.py   passwords that a cloud gives for an identity
    naming.py       names of tables and indexes, as Dify writes them
    conditions.py   filters → SQL with bound values
    vectors.py      vectors on the wire
    words.py        words on the wire: our tokens as a tsvector, for Chinese too
    statements.py   everything else of the SQL
    catalog.py      what a table is, from the server's catalogue
    backend.py      the primitives
"""
