"""Notes of collections in a table of ours, for stores whose tables keep no comment that can be asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from cloudberth.errors import Mismatch, NotFound
from cloudberth.vector._dbapi_backend import DbApiBackend
from cloudberth.vector.contract import Collection, Metric

NOTES = "berth_collections"


class NotedBackend(DbApiBackend):
    """A backend that keeps what a collection is beside it. Dify does not see that table."""

    @abstractmethod
    def notes_table(self) -> str:
        """The statement that makes the table with the columns name and note."""

    @abstractmethod
    def notes_place(self) -> str:
        """The table as it stands in statements."""

    @abstractmethod
    def create_statements(self, collection: Collection) -> Sequence[str]:
        """Table and indexes."""

    def create(self, collection: Collection) -> None:
        with suppress(NotFound):
            # What is there already is said before anything of it is overwritten.
            self.exists_already(collection.name)
        with self._cursor(collection.name) as cursor:
            for made in self.create_statements(collection):
                self.execute(cursor, made, ())
        self._ensure_notes()
        self._forget_note(collection.name)
        statement = self.statement()
        places = statement.listed([collection.name, collection.note()])
        with self._cursor() as cursor:
            self.execute(
                cursor, f"INSERT INTO {self.notes_place()} (name, note) VALUES ({places})", statement.values
            )

    @abstractmethod
    def exists_already(self, name: str) -> None:
        """Raise PreconditionFailed when there is a table of that name, NotFound when there is none."""

    def described(self, name: str, vector: Any) -> Collection:
        """A collection from its note, or from the vector of a record (None: there is none) of Dify's."""
        note = self._note(name)
        if note is not None:
            known = Collection(name, 1).noted(note)
            return Collection(
                name, _dimension(note), known.metric, known.fields, known.index, known.model, known.dify
            )
        if vector is None:
            raise Mismatch(
                "the dimension of this collection is not known: Dify wrote no note, and it is empty",
                hint="make it again here, or let Dify write a record",
            )
        return Collection(name, len(self.read_vector(vector)), Metric.COSINE, dify=True)

    def _note(self, name: str) -> str | None:
        statement = self.statement()
        asked = f"SELECT note FROM {self.notes_place()} WHERE name = {statement.bound(name)}"
        try:
            rows = self._rows(NOTES, asked, statement.values)
        except NotFound:
            return None
        return str(rows[0][0]) if rows else None

    def _forget_note(self, name: str) -> None:
        statement = self.statement()
        gone = f"DELETE FROM {self.notes_place()} WHERE name = {statement.bound(name)}"
        with suppress(NotFound), self._cursor(NOTES) as cursor:
            self.execute(cursor, gone, statement.values)

    def _ensure_notes(self) -> None:
        try:
            self._rows(NOTES, f"SELECT COUNT(*) FROM {self.notes_place()}", ())
        except NotFound:
            with self._cursor(NOTES) as cursor:
                self.execute(cursor, self.notes_table(), ())

    def drop(self, name: str) -> None:
        with self._cursor(name) as cursor:
            self.execute(cursor, f"DROP TABLE {self.table(name)}", ())
        self._forget_note(name)


def _dimension(note: str) -> int:
    import json

    return int(json.loads(note)["cloudberth"]["dimension"])
