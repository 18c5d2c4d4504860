# SPDX-License-Identifier: MIT
"""The C library: its functions as ctypes knows them, and its errors as exceptions.

ctypes gives the interpreter's lock back during each call, so other threads run meanwhile.
"""
from __future__ import annotations

import ctypes
import errno
import os
import weakref
from ctypes import POINTER, c_char_p, c_int, c_int32, c_size_t, c_uint, c_uint8, c_uint32, c_uint64
from ctypes import c_void_p
from typing import Any, Callable, TypeVar, Union

SONAME = "libshmfs.so.1"

# A name as in file names: bytes that are no UTF-8 become lone surrogates of a str.
Name = Union[str, bytes]
T = TypeVar("T")


class OwnerDied(OSError):
    """A process died while it held a mutex (EOWNERDEAD).

    The thread that gets this exception holds the mutex. What the mutex protects may be half
    changed: repair it, call Mutex.consistent(), and then Mutex.release().
    """


class NotRecoverable(OSError):
    """A mutex was abandoned: nobody has repaired what it protects (ENOTRECOVERABLE)."""


class Damaged(OSError):
    """What stands in a heap cannot be (EUCLEAN)."""


class Timespec(ctypes.Structure):
    _fields_ = [
        ("tv_sec", getattr(ctypes, "c_time_t", ctypes.c_long)),
        ("tv_nsec", ctypes.c_long),
    ]


class HeapOptions(ctypes.Structure):
    _fields_ = [("size", c_uint64), ("limit", c_uint64), ("perm", c_uint32)]


class HeapName(ctypes.Structure):
    _fields_ = [("name", c_char_p), ("type", c_uint64), ("size", c_uint64), ("object", c_uint64)]


class HeapFigures(ctypes.Structure):
    _fields_ = [(field, c_uint64) for field in (
        "size", "limit", "used", "free", "largest_free", "allocations", "names",
        "attachments", "deaths")]


class QueueOptions(ctypes.Structure):
    _fields_ = [("capacity", c_uint32), ("message_size", c_uint32)]


class QueueFigures(ctypes.Structure):
    _fields_ = [("capacity", c_uint32), ("message_size", c_uint32), ("messages", c_uint32)]


OBJECT_FN = ctypes.CFUNCTYPE(c_int, c_char_p, c_void_p)
SYSV_FN = ctypes.CFUNCTYPE(c_int, c_int, c_int32, c_void_p)
HEAP_FN = ctypes.CFUNCTYPE(c_int, POINTER(HeapName), c_void_p)
PROBLEM_FN = ctypes.CFUNCTYPE(None, c_char_p, c_void_p)

_P, _OUT = c_void_p, POINTER(c_void_p)
_NUMBER, _SIZE = POINTER(c_uint64), POINTER(c_size_t)
_UNTIL = [c_int, POINTER(Timespec)]

# What each function returns, and takes.
PROTOTYPES: dict[str, tuple[Any, list[Any]]] = {
    "condition_broadcast": (c_int, [_P, _P]),
    "condition_signal": (c_int, [_P, _P]),
    "condition_wait_until": (c_int, [_P, _P, _P, *_UNTIL]),
    "heap_abort": (c_int, [_P]),
    "heap_alloc": (c_int, [_P, c_uint64, c_size_t, _P]),
    "heap_at": (c_void_p, [_P, c_uint64, c_uint64]),
    "heap_begin": (c_int, [_P]),
    "heap_check": (c_int, [_P, PROBLEM_FN, _P]),
    "heap_close": (c_void_p, [_P]),
    "heap_commit": (c_int, [_P]),
    "heap_construct": (c_int, [_P, c_char_p, c_uint64, c_uint64, _P, _OUT]),
    "heap_create_fd": (c_int, [c_int, POINTER(HeapOptions), _OUT]),
    "heap_destroy": (c_int, [_P, c_char_p]),
    "heap_find": (c_int, [_P, c_char_p, c_uint64, c_uint64, _OUT]),
    "heap_find_or_construct": (c_int, [_P, c_char_p, c_uint64, c_uint64, _P, _OUT]),
    "heap_free": (c_int, [_P, _P]),
    "heap_grow": (c_int, [_P, c_uint64]),
    "heap_info": (None, [_P, POINTER(HeapFigures)]),
    "heap_list": (c_int, [_P, HEAP_FN, _P]),
    "heap_log": (c_int, [_P, _P, c_size_t]),
    "heap_offset": (c_uint64, [_P, _P]),
    "heap_open": (c_int, [c_char_p, c_int, POINTER(HeapOptions), _OUT]),
    "heap_open_fd": (c_int, [c_int, c_int, _OUT]),
    "heap_open_read_only": (c_int, [c_char_p, _OUT]),
    "heap_remove": (c_int, [c_char_p]),
    "heap_resize": (c_int, [_P, c_uint64, c_uint64]),
    "heap_root": (c_void_p, [_P]),
    "heap_size_of": (c_int, [_P, c_uint64, _NUMBER]),
    "heap_trim": (c_int, [_P]),
    "mutex_consistent": (c_int, [_P, _P]),
    "mutex_lock_until": (c_int, [_P, _P, *_UNTIL]),
    "mutex_unlock": (c_int, [_P, _P]),
    "object_close": (c_void_p, [_P]),
    "object_fd": (c_int, [_P]),
    "object_list": (c_int, [OBJECT_FN, _P]),
    "object_mode": (c_int, [_P]),
    "object_name": (c_char_p, [_P]),
    "object_open": (c_int, [c_char_p, c_int, c_int, c_uint32, _OUT]),
    "object_remove": (c_int, [c_char_p]),
    "object_reserve": (c_int, [_P, c_uint64]),
    "object_size": (c_int, [_P, _NUMBER]),
    "object_truncate": (c_int, [_P, c_uint64]),
    "queue_info": (None, [_P, POINTER(QueueFigures)]),
    "queue_open": (c_int, [_P, c_char_p, c_int, POINTER(QueueOptions), _OUT]),
    "queue_receive_until": (c_int, [_P, _P, _P, c_size_t, _SIZE, POINTER(c_uint), *_UNTIL]),
    "queue_send_until": (c_int, [_P, _P, c_char_p, c_size_t, c_uint, *_UNTIL]),
    "region_address": (c_void_p, [_P]),
    "region_advise": (c_int, [_P, c_int]),
    "region_flush": (c_int, [_P, c_uint64, c_uint64, c_int]),
    "region_map": (c_int, [_P, c_int, c_uint64, c_uint64, _P, c_uint, _OUT]),
    "region_map_anonymous": (c_int, [c_uint64, _P, c_uint, _OUT]),
    "region_map_fd": (c_int, [c_int, c_int, c_uint64, c_uint64, _P, c_uint, _OUT]),
    "region_map_sysv": (c_int, [_P, c_int, _P, c_uint, _OUT]),
    "region_mode": (c_int, [_P]),
    "region_page_size": (c_uint64, [_P]),
    "region_size": (c_uint64, [_P]),
    "region_unmap": (c_void_p, [_P]),
    "semaphore_post": (c_int, [_P, _P]),
    "semaphore_value": (c_uint32, [_P]),
    "semaphore_wait_until": (c_int, [_P, _P, *_UNTIL]),
    "sysv_close": (c_void_p, [_P]),
    "sysv_id": (c_int, [_P]),
    "sysv_key": (c_int, [c_char_p, c_uint8, POINTER(c_int32)]),
    "sysv_key_of": (c_int32, [_P]),
    "sysv_list": (c_int, [SYSV_FN, _P]),
    "sysv_open": (c_int, [c_int32, c_int, c_uint64, c_uint32, _OUT]),
    "sysv_open_id": (c_int, [c_int, _OUT]),
    "sysv_permissions": (c_int, [_P, POINTER(c_uint32)]),
    "sysv_remove": (c_int, [c_int]),
    "sysv_set_permissions": (c_int, [_P, c_uint32]),
    "sysv_size": (c_uint64, [_P]),
}


class Library:
    """The functions of the C library, each an attribute without its prefix."""

    def __init__(self) -> None:
        try:
            library = ctypes.CDLL(SONAME)
            for name, (result, arguments) in PROTOTYPES.items():
                function = library["shmfs_" + name]
                function.restype, function.argtypes = result, arguments
                setattr(self, name, function)
        except (OSError, AttributeError) as error:
            raise ImportError(f"shmfs takes {SONAME} of shmfs 0.2 or later: {error}") from error

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


library = Library()

_CLASSES: dict[int, type[OSError]] = {
    errno.EOWNERDEAD: OwnerDied,
    errno.ENOTRECOVERABLE: NotRecoverable,
    errno.EUCLEAN: Damaged,
}


def failure(result: int, name: Name | None = None) -> OSError:
    """The exception of a negative errno; OSError itself finds the subclasses of Python."""
    kind = _CLASSES.get(-result, OSError)
    words = os.strerror(-result)
    return kind(-result, words) if name is None else kind(-result, words, name)


def check(result: int, name: Name | None = None) -> int:
    if result < 0:
        raise failure(result, name)
    return result


def unsigned(number: int, bits: int = 64) -> int:
    """A number for C, which ctypes alone would cut. Python code does not run within calls: there
    ctypes would hide the exception of a signal behind one of its own."""
    if not 0 <= number < 1 << bits:
        raise OverflowError(f"{number} is no number of {bits} bits")
    return number


def signed(number: int) -> int:
    """A descriptor, an identifier or a key for C."""
    if not -(1 << 31) <= number < 1 << 31:
        raise OverflowError(f"{number} is no number of 32 bits with a sign")
    return number


def encoded(name: Name) -> bytes:
    """A name as C has it."""
    raw = os.fsencode(name)
    if b"\0" in raw:
        raise ValueError("a name has no null byte")
    return raw


class Handle:
    """Something of the library's, which is given back when nothing in Python refers to it.

    As an argument of a call it is its pointer, and lives until the call returns.
    """

    def __init__(self, pointer: int | None, give_back: Callable[[int], Any]) -> None:
        assert pointer
        self._as_parameter_ = c_void_p(pointer)
        # The end of the process does it as well.
        weakref.finalize(self, give_back, pointer).atexit = False


def made(give_back: Callable[[int], Any], function: Any, *arguments: Any,
         name: Name | None = None) -> Handle:
    """What FUNCTION returns through its last parameter."""
    ret = c_void_p()
    check(function(*arguments, ctypes.byref(ret)), name)
    return Handle(ret.value, give_back)


class Collector:
    """A list that a function of C fills. It keeps an exception, which C could not pass on."""

    def __init__(self, take: Callable[..., Any]) -> None:
        self._take = take
        self._error: BaseException | None = None
        self.items: list[Any] = []

    def add(self, *arguments: Any) -> int:
        try:
            self.items.append(self._take(*arguments))
        except BaseException as error:
            self._error = error
            return 1
        return 0

    def result(self, returned: int) -> list[Any]:
        if self._error is not None:
            raise self._error
        check(returned)
        return self.items


class Owner:
    """A class whose instances own a handle until close() or the end of a with statement."""

    _handle: Handle | None = None

    def _own(self) -> Handle:
        """The handle."""
        handle = self._handle
        if handle is None:
            raise ValueError(f"this {type(self).__name__} is closed")
        return handle

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._handle is None

    def close(self) -> None:
        """Gives it back. A second call does nothing."""
        self._handle = None

    def __enter__(self: T) -> T:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def memory(keeper: Handle, address: int, size: int, writable: bool) -> memoryview:
    """Memory at ADDRESS, which keeps KEEPER alive for as long as anybody has it."""
    if size == 0:
        return memoryview(b"")
    array = (ctypes.c_ubyte * size).from_address(address)
    setattr(array, "keeper", keeper)
    view = memoryview(array).cast("B")
    return view if writable else view.toreadonly()


def address_of(view: memoryview) -> int:
    """Where writable memory begins."""
    return ctypes.addressof(ctypes.c_char.from_buffer(view))
