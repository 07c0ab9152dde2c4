"""Drivers whose statements are run on SQLite: in the place of Oracle's, InterSystems' and ClickZetta's.

What of a vendor's SQL our backends send is put into SQLite's words; a statement that has something else in it
fails. This proves what the statements mean together, not that a vendor's server takes them.
"""

from __future__ import annotations

import array
import base64
import json
import math
import re
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from cloudberth.vector.text import tokens


class Error(Exception):
    """The driver's base of errors."""


def numbers(found: Any) -> list[float]:
    if isinstance(found, bytes):
        return list(array.array("f", found))
    return [float(one) for one in str(found).strip("[]").split(",")]


def cosine(first: Any, second: Any) -> float:
    a, b = numbers(first), numbers(second)
    return dot(first, second) / math.sqrt(sum(x * x for x in a)) / math.sqrt(sum(x * x for x in b))


def dot(first: Any, second: Any) -> float:
    return math.fsum(x * y for x, y in zip(numbers(first), numbers(second), strict=True))


def distance(first: Any, second: Any) -> float:
    return math.dist(numbers(first), numbers(second))


def words_found(text: str, asked: str) -> float:
    """How many of the words a text has."""
    return float(len(set(tokens(text)) & set(tokens(asked))))


class Driver:
    """A module of DB-API 2 with one database. statements: what came, as it came."""

    Error: ClassVar[type[Exception]] = Error
    functions: ClassVar[dict[str, tuple[int, Callable[..., Any]]]] = {}
    no_table: ClassVar[str]
    is_there: ClassVar[str]
    # Of the type of a vector in CREATE TABLE.
    vector_type: ClassVar[str]
    ignored: ClassVar[str]

    def __init__(self, file: Path) -> None:
        self.file = file
        self.statements: list[tuple[str, list[Any]]] = []
        self.asked: list[dict[str, Any]] = []
        connection = sqlite3.connect(file)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE columns_ (table_schema, table_name, column_name, vector_info)")
        connection.execute("CREATE TABLE user_tab_comments (table_name, comments)")
        connection.commit()
        connection.close()

    def connect(self, **parameters: Any) -> Connection:
        self.asked.append(parameters)
        return Connection(self)

    def translated(self, text: str) -> str:
        raise NotImplementedError

    def given(self, value: Any) -> Any:
        return value

    def shown(self, value: Any) -> Any:
        return value

    def made(self, text: str, cursor: sqlite3.Cursor) -> bool:
        """Whether a statement changes the catalogue, which then was done."""
        if re.match(self.ignored, text):
            return True
        if found := re.match(r"CREATE TABLE (?:IF NOT EXISTS )?(?:(\w+)\.)?(\w+) \(", text):
            columns = re.sub(self.vector_type, "BLOB", text.replace(f"{found[1]}.", "", 1))
            cursor.execute(columns)
            declared = re.search(self.vector_type, text)
            for column in re.findall(r"[(,] ?(\w+) (?!KEY)[A-Z]", text):
                cursor.execute(
                    "INSERT INTO columns_ VALUES (?, ?, ?, ?)",
                    (found[1] or "", self.named(found[2]), self.named(column), declared and declared[0]),
                )
            return True
        if found := re.match(r"DROP TABLE (?:\w+\.)?(\w+)", text):
            cursor.execute(f"DROP TABLE {found[1]}")
            cursor.execute("DELETE FROM columns_ WHERE table_name = ?", (self.named(found[1]),))
            cursor.execute("DELETE FROM user_tab_comments WHERE table_name = ?", (self.named(found[1]),))
            return True
        return False

    def named(self, name: str) -> str:
        """As the catalogue shows a name."""
        return name.upper()


class Connection:
    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.inner = sqlite3.connect(
            driver.file, timeout=60, isolation_level="IMMEDIATE", check_same_thread=False
        )
        for name, (count, function) in driver.functions.items():
            self.inner.create_function(name, count, function, deterministic=True)

    def cursor(self) -> Cursor:
        return Cursor(self)

    def commit(self) -> None:
        self.inner.commit()

    def rollback(self) -> None:
        self.inner.rollback()

    def close(self) -> None:
        self.inner.close()


class Cursor:
    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.inner = connection.inner.cursor()
        self.rowcount = -1

    def execute(self, text: str, values: Sequence[Any] = (), *, binding_params: Sequence[Any] = ()) -> None:
        driver = self.connection.driver
        given = list(values or binding_params)
        driver.statements.append((text, given))
        try:
            if not driver.made(text, self.inner):
                self.inner.execute(driver.translated(text), [driver.given(value) for value in given])
        except sqlite3.Error as error:
            if "no such table" in str(error):
                raise Error(driver.no_table) from error
            if "already exists" in str(error):
                raise Error(driver.is_there) from error
            raise Error(f"{error}: {text}") from error
        self.rowcount = self.inner.rowcount
        if binding_params or not driver.statements[-1][0].startswith("DELETE"):
            # What ClickZetta's statements do is durable at once.
            self.connection.commit() if isinstance(driver, ClickZettaDriver) else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        return [tuple(map(self.connection.driver.shown, row)) for row in self.inner.fetchall()]

    def fetchone(self) -> Any:
        return self.inner.fetchone()

    def close(self) -> None:
        self.inner.close()


# ── Oracle


def json_exists(document: str, path: str, *passed: Any) -> bool:
    """The paths that our conditions send: of one field its kind, and comparisons."""
    variables = dict(zip(passed[::2], passed[1::2], strict=True))
    found = re.fullmatch(r'\$\?\(@\."((?:[^"\\]|\\.)*)"\.type\(\) (==|!=) "(\w+)"(?: && (.*))?\)', path)
    assert found, path
    known = json.loads(document)
    name = json.loads(f'"{found[1]}"')
    if name not in known:
        return False
    kind = _kind_of(known[name])
    if (kind == found[3]) != (found[2] == "=="):
        return False
    return found[4] is None or _holds(known[name], found[4], variables)


def _kind_of(value: Any) -> str:
    kinds = {bool: "boolean", str: "string", int: "number", float: "number", type(None): "null"}
    return kinds.get(type(value), "array")


def _holds(value: Any, text: str, variables: dict[str, Any]) -> bool:
    signs: dict[str, Callable[[Any, Any], bool]] = {
        "==": lambda a, b: bool(a == b),
        "<": lambda a, b: bool(a < b),
        "<=": lambda a, b: bool(a <= b),
        ">": lambda a, b: bool(a > b),
        ">=": lambda a, b: bool(a >= b),
    }
    for part in text.removeprefix("(").removesuffix(")").split(" || "):
        found = re.fullmatch(r'@\."(?:[^"\\]|\\.)*" (==|<=?|>=?) (\$v\d+|""|true|false)', part)
        assert found, part
        constants = {'""': "", "true": True, "false": False}
        wanted = constants[found[2]] if found[2] in constants else variables[found[2][1:]]
        if signs[found[1]](value, wanted):
            return True
    return False


def vector_distance(first: Any, second: Any, metric: str) -> float:
    measures = {"COSINE": lambda: 1 - cosine(first, second), "EUCLIDEAN": lambda: distance(first, second)}
    return measures.get(metric, lambda: -dot(first, second))()


def contains(text: str | None, asked: str) -> float:
    """As many points as words, each of which has to stand in braces."""
    wanted = asked.split(" ACCUM ")
    assert all(re.fullmatch(r"\{[^{}]+\}", word) for word in wanted), asked
    return words_found(text or "", " ".join(word[1:-1] for word in wanted))


class OracleDriver(Driver):
    functions: ClassVar = {
        "JSON_EXISTS": (-1, json_exists),
        "VECTOR_DISTANCE": (3, vector_distance),
        "VECTOR_DIMENSION_COUNT": (1, lambda found: len(numbers(found))),
        "CONTAINS_": (2, contains),
        "TO_BINARY_DOUBLE": (1, float),
    }
    no_table = "ORA-00942: table or view does not exist"
    is_there = "ORA-00955: name is already used by an existing object"
    vector_type = r"VECTOR\(\d+, FLOAT32\)"
    ignored = r"CREATE (VECTOR )?INDEX "

    def made(self, text: str, cursor: sqlite3.Cursor) -> bool:
        if found := re.fullmatch(r"COMMENT ON TABLE (\w+) IS '(.*)'", text):
            note = found[2].replace("''", "'")
            cursor.execute("INSERT INTO user_tab_comments VALUES (?, ?)", (found[1].upper(), note))
            return True
        return super().made(text, cursor)

    def translated(self, text: str) -> str:
        text = re.sub(r":(\d+)", r"?\1", text)
        text = re.sub(r"FETCH (?:APPROX )?FIRST (\d+) ROWS ONLY", r"LIMIT \1", text)
        text = re.sub(r"VECTOR_DISTANCE\((\w+), (\?\d+), (\w+)\)", r"VECTOR_DISTANCE(\1, \2, '\3')", text)
        text = text.replace("JSON_SERIALIZE(meta RETURNING CLOB)", "meta").replace("EMPTY_CLOB()", "''")
        text = text.replace("' PASSING ", "', ")
        text = re.sub(r"(TO_BINARY_DOUBLE\(\?\d+\)|\?\d+) AS \"(v\d+)\"", r"'\2', \1", text)
        text = re.sub(r"CONTAINS\(text, (\?\d+), 1\)", r"CONTAINS_(text, \1)", text)
        text = text.replace("SCORE(1)", "CONTAINS_(text, ?1)").replace("user_tab_columns", "columns_")
        return text.replace("FROM v$version", "FROM (SELECT 'a double of Oracle' AS banner_full)")

    def given(self, value: Any) -> Any:
        if isinstance(value, array.array):
            return value.tobytes()
        # An empty text is null.
        return None if value == "" else value

    def shown(self, value: Any) -> Any:
        return array.array("f", value) if isinstance(value, bytes) else value


class IrisDriver(Driver):
    functions: ClassVar = {
        "VECTOR_COSINE": (2, cosine),
        "VECTOR_DOT_PRODUCT": (2, dot),
        "FOUND_": (2, lambda text, asked: words_found(text, asked.replace(" OR ", " "))),
    }
    no_table = "[SQLCODE: <-30>:<Table or view not found>]"
    is_there = "[SQLCODE: <-201>:<Table or view name not unique>]"
    vector_type = r"VECTOR\(DOUBLE, \d+\)"
    ignored = r"CREATE INDEX \w+ ON "

    def translated(self, text: str) -> str:
        text = text.replace("INFORMATION_SCHEMA.COLUMNS", "columns_")
        text = re.sub(r"\w+\.\w+Rank\(%ID, \?\)", "FOUND_(text, ?)", text)
        text = re.sub(r"%ID %FIND search_index\(\w+, \?\)", "FOUND_(text, ?) > 0", text)
        text = re.sub(r"TO_VECTOR\(\?, DOUBLE\)", "?", text).replace("$ZVERSION", "'a double of IRIS'")
        text = re.sub(r"\bdify\.", "", text)
        if found := re.match(r"SELECT TOP (\d+) ", text):
            text = f"SELECT {text[found.end() :]} LIMIT {found[1]}"
        return text


class ClickZettaDriver(Driver):
    functions: ClassVar = {
        "cosine_distance": (2, lambda first, second: 1 - cosine(first, second)),
        "l2_distance": (2, distance),
        "UNBASE64": (1, lambda digits: base64.b64decode(digits).decode()),
        "MATCH_ANY": (2, lambda text, asked: words_found(text, asked) > 0),
        "current_workspace": (0, lambda: "a double of ClickZetta"),
    }
    no_table = "CZLH-42000: Semantic analysis exception - table or view not found"
    is_there = "CZLH-42000: table already exists"
    vector_type = r"VECTOR\(FLOAT, \d+\)"
    ignored = r"CREATE (VECTOR|INVERTED) INDEX "

    def named(self, name: str) -> str:
        return name

    def translated(self, text: str) -> str:
        text = text.replace("information_schema.columns", "columns_")
        text = text.replace("CAST(UNBASE64(?) AS STRING)", "UNBASE64(?)")
        text = re.sub(r"CAST\((UNBASE64\(\?\)) AS (?:VECTOR\(\d+\)|JSON)\)", r"\1", text)
        return re.sub(r"\bpublic\.", "", text)
