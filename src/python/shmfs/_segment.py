# SPDX-License-Identifier: MIT
"""System V segments."""
from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

from ._library import (SYSV_FN, Collector, Name, Owner, check, encoded, library, made, signed,
                       unsigned)
from ._modes import How, Mode
from ._region import Region


class SegmentId(NamedTuple):
    """A segment in a listing."""

    id: int
    """Its identifier."""
    key: int
    """Its key; Segment.PRIVATE: none."""


class Segment(Owner):
    """A System V segment, which has a key in place of a name, and a fixed size.

    It lives until remove() and, after that, until nobody has it mapped. An open segment is not
    held: removed by somebody else it is gone, unless it is mapped. All functions may be called
    by several threads at once.
    """

    PRIVATE = 0
    """The key of segments that only their identifiers find."""

    def __init__(self, key: int, how: How = How.OPEN, size: int = 0,
                 perm: int = 0o644) -> None:
        """Makes or opens the segment of a key, as Segment.key_of() or any other number.

        A segment that is made has SIZE bytes, and one that is opened at least as many. PERM are
        the permissions of one that is made. OSError: FileExistsError, FileNotFoundError, EINVAL
        where the segment is smaller than SIZE, ENOSPC where the machine allows no more.
        """
        self._handle = made(library.sysv_close, library.sysv_open, signed(key), how, unsigned(size),
                            unsigned(perm, 32))

    @classmethod
    def open_id(cls, identifier: int) -> Segment:
        """Opens the segment of an identifier. OSError: EINVAL or EIDRM where there is none."""
        self = cls.__new__(cls)
        self._handle = made(library.sysv_close, library.sysv_open_id, signed(identifier))
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the segment by its identifier."""
        return type(self).open_id, (self.id,)

    @property
    def id(self) -> int:
        """Its identifier."""
        return int(library.sysv_id(self._own()))

    @property
    def key(self) -> int:
        """The key it had when it was opened."""
        return int(library.sysv_key_of(self._own()))

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return int(library.sysv_size(self._own()))

    @property
    def permissions(self) -> int:
        """Who may map it now. They can be set."""
        perm = ctypes.c_uint32()
        check(library.sysv_permissions(self._own(), ctypes.byref(perm)))
        return perm.value

    @permissions.setter
    def permissions(self, perm: int) -> None:
        check(library.sysv_set_permissions(self._own(), unsigned(perm, 32)))

    def map(self, mode: Mode = Mode.READ_WRITE) -> Region:
        """Maps all of it, READ_ONLY or READ_WRITE.

        OSError: PermissionError; EINVAL or EIDRM where the segment is gone.
        """
        return Region._map(library.region_map_sysv, self._own(), mode, None, 0)

    @staticmethod
    def remove(identifier: int) -> None:
        """Removes a segment. Its memory lives until nobody has it mapped."""
        check(library.sysv_remove(signed(identifier)))

    @staticmethod
    def key_of(path: Name, number: int) -> int:
        """The key that those who know a file agree on: that of ftok(3).

        NUMBER, 0 to 255, tells several keys of one file apart. OSError: as to find the file, and
        ERANGE where the key would be PRIVATE: take another number.
        """
        if not 0 <= number <= 255:
            raise ValueError("the number is 0 to 255")
        key = ctypes.c_int32()
        check(library.sysv_key(encoded(path), number, ctypes.byref(key)), path)
        return key.value

    @staticmethod
    def ids() -> list[SegmentId]:
        """All segments of the IPC namespace."""
        found = Collector(lambda identifier, key, _: SegmentId(identifier, key))
        return found.result(library.sysv_list(SYSV_FN(found.add), None))
