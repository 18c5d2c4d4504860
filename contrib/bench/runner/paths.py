# SPDX-License-Identifier: MIT
"""Where things are in the tree."""

import os

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PREPARE = os.path.join(HERE, "prepare")
BARS = {"posix": os.path.join(HERE, "bars"), "sysv": os.path.join(HERE, "bars-sysv")}
BUILD = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build-bench")
BENCH = os.path.join(BUILD, "contrib", "bench", "bench")
SHMFS = os.path.join(BUILD, "src", "daemon", "shmfs")
