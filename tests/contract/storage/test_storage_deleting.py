"""Deleting: one, many, everything under a prefix. What is not there is no failure."""

from __future__ import annotations

from storage_cases import Refused, keys_of, save_all

from cloudberth.storage.storage import Storage


def test_one_is_deleted(storage: Storage) -> None:
    storage.save("a", b"x")
    storage.save("ab", b"y")
    storage.delete("a")
    assert keys_of(storage.list()) == ["ab"]
    assert not storage.exists("a")


def test_what_is_missing_is_no_failure(storage: Storage) -> None:
    storage.save("b", b"x")
    storage.delete("a")
    storage.delete(["a", "b", "c"])
    storage.delete("b")
    storage.delete([])
    assert keys_of(storage.list()) == []


def test_many_are_deleted_and_no_other(storage: Storage, refused: Refused) -> None:
    wanted = ["a", "b c+d", "ü/中", "x//y", "100%25", "<&>\"'", "n", "n/child"]
    keys = save_all(storage, wanted, refused)
    save_all(storage, ["kept", "n/child2"], refused)
    storage.delete(iter(keys))
    assert sorted(keys_of(storage.list())) == ["kept", "n/child2"]


def test_a_prefix_is_deleted(storage: Storage, refused: Refused) -> None:
    taken = save_all(storage, ["a/1", "a/2/3", "a/", "ab", "b/a/1"], refused)
    assert storage.delete_prefix("a/") == len(taken) - 2
    assert sorted(keys_of(storage.list())) == ["ab", "b/a/1"]
    assert storage.delete_prefix("a/") == 0
    assert storage.delete_prefix("") == 2


def test_a_deleted_key_can_be_used_again(storage: Storage) -> None:
    storage.save("a", b"first")
    storage.delete("a")
    storage.save("a", b"second")
    assert storage.load("a") == b"second"


def test_a_name_and_what_is_below_it_are_strangers(storage: Storage) -> None:
    storage.save("n", b"1")
    storage.save("n/child", b"2")
    storage.delete("n")
    assert storage.load("n/child") == b"2"
    storage.save("n", b"3")
    storage.delete("n/child")
    assert storage.load("n") == b"3"
    assert keys_of(storage.list()) == ["n"]
