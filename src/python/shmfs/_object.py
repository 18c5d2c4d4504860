# SPDX-License-Identifier: MIT
"""Shared-memory objects."""
from __future__ import annotations

import ctypes
import os
from typing import Any

from ._library import OBJECT_FN, Collector, Name, Owner, check, encoded, library, made, unsigned
from ._modes import How, Mode
from ._region import Region


class Object(Owner):
    """Named memory that any process of the machine can open: that of shm_open(3).

    It begins with 0 bytes and lives until remove(), whoever made it. All functions may be called
    by several threads at once.
    """

    def __init__(self, name: Name, how: How = How.OPEN, mode: Mode = Mode.READ_WRITE,
                 perm: int = 0o644) -> None:
        """Makes or opens the object NAME, with or without a leading slash.

        MODE is READ_ONLY or READ_WRITE. PERM are the permissions of an object that is made; the
        umask does not count. OSError: FileExistsError, FileNotFoundError, PermissionError, and
        EINVAL where NAME can be no name.
        """
        raw = encoded(name)
        self._handle = made(library.object_close, library.object_open, raw, how, mode,
                            unsigned(perm, 32), name=name)
        self._mode = mode

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process opens the object by its name."""
        return type(self), (self.name, How.OPEN, self._mode)

    @property
    def name(self) -> str:
        """The name it was opened by, without a leading slash."""
        return os.fsdecode(library.object_name(self._own()))

    @property
    def mode(self) -> Mode:
        """What it was opened for."""
        return Mode(library.object_mode(self._own()))

    def fileno(self) -> int:
        """Its descriptor, which is closed with the object."""
        return int(library.object_fd(self._own()))

    @property
    def size(self) -> int:
        """Its size in bytes now."""
        size = ctypes.c_uint64()
        check(library.object_size(self._own(), ctypes.byref(size)))
        return size.value

    def truncate(self, size: int) -> None:
        """Sets its size in bytes. What is added reads as zeros, and takes no memory yet.

        To make an object smaller takes the memory away below all regions of it.
        """
        check(library.object_truncate(self._own(), unsigned(size)))

    def reserve(self, size: int) -> None:
        """Makes sure that the memory of its first SIZE bytes is there; it grows where it must.

        OSError: ENOSPC, ENOMEM where there is no such memory.
        """
        check(library.object_reserve(self._own(), unsigned(size)))

    def map(self, mode: Mode | None = None, offset: int = 0, size: int = 0) -> Region:
        """Maps SIZE bytes from OFFSET on, which may be any; 0: up to its end.

        Without MODE it is mapped for what it was opened for. OSError: ENXIO where the bytes do
        not lie in the object, PermissionError where it was not opened for MODE.
        """
        return Region._map(library.region_map, self._own(),
                           self.mode if mode is None else mode, unsigned(offset), unsigned(size),
                           None, 0)

    @staticmethod
    def remove(name: Name) -> None:
        """Removes the name. The memory lives until nobody has it open or mapped."""
        check(library.object_remove(encoded(name)), name)

    @staticmethod
    def names() -> list[str]:
        """The names of all objects there are."""
        found = Collector(lambda name, _: os.fsdecode(name))
        return found.result(library.object_list(OBJECT_FN(found.add), None))
