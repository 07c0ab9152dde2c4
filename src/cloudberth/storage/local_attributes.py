"""Content type, metadata and the rest of an object's attributes, kept beside a file.

They are JSON in the extended attribute ``user.berth`` of the file itself, so they move and are copied with
it (``cp -a``, ``rsync -X``, ``tar --xattrs``). Where the file system has none, or takes no more than 4 KiB
as ext4, they are a file of their own, ``.berth/attributes/<xx>/<etag>``, which names the inode and the time
of the write: a file that was changed or copied by others has lost them, and never has another's.
"""

from __future__ import annotations

import errno
import json
import mimetypes
import os
from contextlib import suppress
from dataclasses import fields
from typing import Any

from cloudberth.storage.contract import Attributes
from cloudberth.storage.local_names import AREA
from cloudberth.storage.local_tree import Blocked, Tree, etag

XATTR = "user.berth"
SIDECARS = b"attributes"
_ELSEWHERE = b"sidecar"
_NO_XATTR = frozenset((errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES))
_TOO_LARGE = frozenset((errno.ENOSPC, errno.E2BIG, errno.ERANGE, errno.EDQUOT))
_NOTHING = Attributes()
# The table that comes with Python, not this machine's: the same answer everywhere.
_TYPES = mimetypes.MimeTypes()


def encoded(attributes: Attributes) -> bytes:
    """The attributes that are set, as JSON."""
    values = {field.name: getattr(attributes, field.name) for field in fields(attributes)}
    kept = {name: value for name, value in values.items() if value}
    if "metadata" in kept:
        kept["metadata"] = dict(attributes.metadata)
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def decoded(data: bytes) -> Attributes:
    """Attributes of JSON; what is damaged or of a later version is left out."""
    try:
        found: Any = json.loads(data)
    except ValueError:
        return _NOTHING
    if not isinstance(found, dict):
        return _NOTHING
    metadata = found.pop("metadata", {})
    known = {field.name for field in fields(Attributes)}
    texts = {name: value for name, value in found.items() if name in known and isinstance(value, str)}
    pairs = metadata.items() if isinstance(metadata, dict) else ()
    return Attributes(**texts, metadata={str(name): str(value) for name, value in pairs})


def guessed(key: str, attributes: Attributes) -> Attributes:
    """With the content type that the key's ending means when nothing is stored (as by Dify)."""
    if attributes is not _NOTHING and attributes != _NOTHING:
        return attributes
    kind, encoding = _TYPES.guess_type(key.rpartition("/")[2], strict=False)
    return Attributes(content_type=kind) if kind and not encoding else attributes


def keep(tree: Tree, root: int, descriptor: int, attributes: Attributes) -> None:
    """Keep attributes for an open file that does not change any more. Raises OSError."""
    if attributes == _NOTHING:
        return
    data = encoded(attributes)
    try:
        _set(descriptor, data)
        return
    except OSError as error:
        if error.errno not in _NO_XATTR | _TOO_LARGE:
            raise
        large = error.errno in _TOO_LARGE
    _write_sidecar(tree, root, descriptor, data)
    if large:
        _set(descriptor, _ELSEWHERE)


def read(tree: Tree, root: int, descriptor: int, facts: os.stat_result) -> Attributes:
    """The attributes of an open file. Raises OSError."""
    try:
        data = _get(descriptor)
    except OSError as error:
        if error.errno == errno.ENODATA:
            return _NOTHING
        if error.errno not in _NO_XATTR:
            raise
        data = _ELSEWHERE
    if data == _ELSEWHERE:
        return _read_sidecar(tree, root, facts)
    return decoded(data)


def drop(tree: Tree, root: int, facts: os.stat_result) -> None:
    """Remove what is kept beside a file that is gone. It is no error when that fails."""
    folder, name = _sidecar(facts)
    with suppress(OSError, Blocked):
        descriptor = tree.open_folder(root, folder)
        try:
            os.unlink(name, dir_fd=descriptor)
        finally:
            os.close(descriptor)


def in_use(root: int) -> bool:
    """Whether any attributes are kept in files of their own."""
    try:
        os.stat(AREA + b"/" + SIDECARS, dir_fd=root, follow_symlinks=False)
    except OSError:
        return False
    return True


def _set(descriptor: int, data: bytes) -> None:
    if not hasattr(os, "setxattr"):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    os.setxattr(descriptor, XATTR, data)


def _get(descriptor: int) -> bytes:
    if not hasattr(os, "getxattr"):
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    return os.getxattr(descriptor, XATTR)


def _sidecar(facts: os.stat_result) -> tuple[tuple[bytes, ...], bytes]:
    name = etag(facts).encode()
    return (AREA, SIDECARS, name[-2:].rjust(2, b"0")), name


def _write_sidecar(tree: Tree, root: int, descriptor: int, data: bytes) -> None:
    folder, name = _sidecar(os.fstat(descriptor))
    place = tree.open_folder(root, folder, create=True)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        target = os.open(name, flags, 0o666, dir_fd=place)
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(target, left) :]
            if tree.sync:
                os.fsync(target)
                os.fsync(place)
        finally:
            os.close(target)
    finally:
        os.close(place)


def _read_sidecar(tree: Tree, root: int, facts: os.stat_result) -> Attributes:
    folder, name = _sidecar(facts)
    found = tree.open_file(root, (*folder, name))
    if found is None:
        return _NOTHING
    try:
        return decoded(os.read(found[0], max(1, found[1].st_size)))
    finally:
        os.close(found[0])
