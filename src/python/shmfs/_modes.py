# SPDX-License-Identifier: MIT
"""What several classes take: how a name is used, and what is done with memory."""
from __future__ import annotations

import enum


class How(enum.IntEnum):
    """What is done with a name."""

    CREATE = 0
    """A new one. Fails with FileExistsError where the name is taken."""
    OPEN = 1
    """The one of that name. Fails with FileNotFoundError where there is none."""
    OPEN_OR_CREATE = 2
    """The one of that name, or else a new one."""


class Mode(enum.IntEnum):
    """What is done with memory."""

    READ_ONLY = 0
    """It is read. What others write is seen."""
    READ_WRITE = 1
    """It is read and written, and others see what is written."""
    COPY_ON_WRITE = 2
    """Regions only: what is written stays the region's own."""
    READ_PRIVATE = 3
    """Regions only: it is read from a private mapping."""


class Advice(enum.IntEnum):
    """How a region is going to be used."""

    NORMAL = 0
    """Nothing special."""
    SEQUENTIAL = 1
    """From its beginning to its end."""
    RANDOM = 2
    """Here and there: reading ahead is no use."""
    WILLNEED = 3
    """Soon."""
    DONTNEED = 4
    """Not soon."""
