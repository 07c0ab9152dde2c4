"""The table *vector store × operation × proved how*, made of what a run of the contract suite really did."""

from __future__ import annotations

from pathlib import Path

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "reference" / "vector-support.md"
COMMAND = "pytest tests/contract -k vector --thorough --write-support-table"

INTRODUCTION = f"""\
# Vector stores: what works, and how it is proved

Written by runs of the contract suite: `{COMMAND}`
(with `-k pgvector`, say, the rows of one type anew). A row is what one type really ran against, a column a
theme of the checks in `cloudberth.vector.conformance`. The owner of a store runs the same checks with
`berth vector conformance URL`.

In the cells: checks that passed; `u`: so many of them asked for an ability that the store does not have, and
it was refused by name, so nothing is silently empty; `x`: checks that the *engine of the proof* is known to
fail, listed below with the reason; `s`: skipped, as there is nothing to ask of such a store.

How far a proof reaches, best first: *against the real engine*; *against another engine with the same
protocol*, which understands the statements but for what its page names; *against an emulator*; *against a
protocol double that the vendor's SDK accepts*; *against a protocol double of ours*; *by the statements it
sends*. None of these is a vendor's cloud: no type is proved live yet.
"""
