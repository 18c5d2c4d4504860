# SPDX-License-Identifier: MIT
"""A process in mount, IPC and PID namespaces of its own.

Its end is the end of everything that was started or mounted in there. It lives no longer
than its parent, whatever happens to that.
"""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
PR_SET_PDEATHSIG = 1
SIGNALS = signal.SIGHUP, signal.SIGINT, signal.SIGTERM

libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    if result < 0:
        number = ctypes.get_errno()
        raise SystemExit(f"bench: {what}: {os.strerror(number)}")


def fork_into_pid_namespace():
    """Forks into a new one; the parent's own later children are not in it."""
    mine = os.open("/proc/self/ns/pid", os.O_RDONLY)
    check(libc.unshare(CLONE_NEWPID), "unshare")
    pid = os.fork()
    if pid != 0:
        check(libc.setns(mine, CLONE_NEWPID), "setns")
    os.close(mine)
    return pid


def mount(*arguments):
    """True if that worked; mount(8) has said why if not."""
    return subprocess.run(["mount", *arguments], check=False).returncode == 0


def must_mount(*arguments):
    if not mount(*arguments):
        raise SystemExit(f"bench: mount {' '.join(arguments)} failed")


def stop(number, _frame):
    # Once is enough: what follows is cleaning up.
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(f"bench: interrupted ({signal.Signals(number).name})")


def enter(work):
    """Readies the namespaces for the process that is the first in them."""
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL), "prctl")
    for number in SIGNALS:
        signal.signal(number, stop)
    check(libc.unshare(CLONE_NEWNS | CLONE_NEWIPC), "unshare")
    must_mount("--make-rprivate", "/")
    must_mount("-t", "proc", "proc", "/proc")
    must_mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", "/dev/shm")
    must_mount("-t", "tmpfs", "tmpfs", work)


def inside(function, work, writer):
    """All of the life of that process; returns its exit status."""
    try:
        enter(work)
        text = function(work)
        with writer:
            writer.write(text.encode())
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
            return 1
        return end.code or 0
    except Exception:
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def await_result(pid, reader):
    """What the process wrote; the signals that come meanwhile go to it."""
    before = {
        number: signal.signal(number, lambda *_: os.kill(pid, signal.SIGTERM))
        for number in SIGNALS
    }
    with reader:
        text = reader.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    for number, handler in before.items():
        signal.signal(number, handler)
    if status != 0:
        raise SystemExit(status if status > 0 else f"bench: killed by signal {-status}")
    return text.decode()


def run(function):
    """Calls function(work) in there, work being a folder that is gone later; returns the
    text that it returns."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    work = tempfile.mkdtemp(prefix="shmfs-bench-")
    try:
        pid = fork_into_pid_namespace()
        if pid == 0:
            os.close(reading)
            os._exit(inside(function, work, os.fdopen(writing, "wb")))
        os.close(writing)
        return await_result(pid, os.fdopen(reading, "rb"))
    finally:
        if os.path.isdir(work):
            os.rmdir(work)
