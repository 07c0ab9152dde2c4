"""A whole Dify installation's objects: where they lie, what its database says of them, how they are moved.

::

    layout.py       which keys there are and what it costs to lose one
    connection.py   Dify's DB_* variables → a connection to its PostgreSQL
    database.py     what the database says: files, tenants; the one change that is made to it
    tenant_keys.py  whether a tenant's private key belongs to its public key
    checking.py     database against bucket, both in the order of keys, in constant memory
    outcome.py      what a migration is told, and what it has to tell
    migration.py    the order of it all: move, check, change, or refuse
    report.py       what is kept of a run: summary, problems, the way back
"""
