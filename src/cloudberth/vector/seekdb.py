"""OceanBase seekdb: the same table and the same variables as OceanBase, as Dify has it."""

from __future__ import annotations

from cloudberth.vector.oceanbase import OceanBase, OceanBaseSettings


class SeekDb(OceanBase):
    """OceanBase seekdb, as a server.

    Tested against seekdb 1.4 itself. Everything that is said of OceanBase holds.
    """

    id = "seekdb"
    settings = OceanBaseSettings
