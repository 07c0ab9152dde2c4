"""Moving whole stores: plan, journal, executor, comparison. Behind `berth storage sync`, `migrate` and
`verify`.

::

    lists of both places ──listings, merging──► pairs of one key ──rules.decide──► decisions
        ──planning──► plan in the journal (journal.db) ──executor──► small.py, large.py
        ──► status in the journal
        ──report──► summary, and a file of what was not moved

`engine.py` holds them in this order; start there.
"""
