# SPDX-License-Identifier: MIT
"""A side: a directory that is measured, and the processes that serve it."""

import os
import re
import select
import signal
import subprocess
import time

import paths

# By kind of shared memory.
DEFAULT = {
    "posix": ["native", "passthrough", "notify", "direct", "bindfs"],
    "sysv": ["native", "map_files", "passthrough", "direct"],
}
# What the benchmark program is told to be in them, native first.
CONTENTS = {"posix": ("files", "files"), "sysv": ("sysvipc", "segments")}
PATIENCE = 20


class Failure(Exception):
    """A side cannot be measured, or not any more."""


class Mount:
    """What the kernel tells of a mount."""

    def __init__(self, line):
        fields = line.split()
        after = fields.index("-")
        self.minor = int(fields[2].split(":")[1])
        self.point = re.sub(r"\\(\d{3})", lambda m: chr(int(m[1], 8)), fields[4])
        self.type = fields[after + 1]


def mounts():
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return [Mount(line) for line in file]


def mount_on(point):
    return next((m for m in reversed(mounts()) if m.point == point), None)


def mount_of(path):
    """The mount that a path is on."""
    while not (found := mount_on(path)) and path != "/":
        path = os.path.dirname(path)
    return found


def connections(pid):
    """The FUSE connections that a process serves: their numbers, None where the kernel does
    not tell (before Linux 6.18)."""
    found = set()
    try:
        for fd in os.listdir(f"/proc/{pid}/fd"):
            if os.readlink(f"/proc/{pid}/fd/{fd}") == "/dev/fuse":
                with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
                    number = re.search(r"^fuse_connection:\s*(\d+)$", file.read(), re.M)
                found.add(int(number[1]) if number else None)
    except OSError:
        pass
    return found


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def wait_for_events(fds, seconds):
    """Waits for one of the fds: True if there is something."""
    poll = select.poll()
    for fd, events in fds:
        poll.register(fd, events)
    return bool(poll.poll(max(0, seconds) * 1000))


class Server:
    """A process that serves a side."""

    def __init__(self, pid):
        self.pid = pid
        self.fd = os.pidfd_open(pid)

    def ended(self, seconds=0):
        return wait_for_events([(self.fd, select.POLLIN)], seconds)

    def kill(self):
        if not self.ended():
            signal.pidfd_send_signal(self.fd, signal.SIGKILL)

    def peak_memory(self):
        """In KiB, or 0 when it is gone."""
        try:
            with open(f"/proc/{self.pid}/status", encoding="utf-8") as file:
                return int(re.search(r"^VmHWM:\s*(\d+)", file.read(), re.M)[1])
        except (OSError, TypeError):
            return 0


class Side:
    """One that is there as it is."""

    def __init__(self, name, content, path, native=None):
        self.name = name
        self.content = content
        self.path = path  # what is measured
        self.native = native  # the directory behind it, if known
        self.servers = []
        self.kind = "directory"
        self.connection = None
        self.failure = None

    def start(self, _known):
        if not os.path.isdir(self.path):
            raise Failure(f"{self.path} is hidden by what the benchmark mounts")
        self.learn_kind(mount_of(self.path))
        if self.name == "native":
            self.kind = "native"

    def learn_kind(self, mount):
        if mount.type.startswith("fuse"):
            self.connection = mount.minor
            self.kind = "ours" if mount.type == "fuse.shmfs" else "other"

    def is_alive(self):
        return not any(server.ended() for server in self.servers)

    def peak_memory(self):
        return sum(server.peak_memory() for server in self.servers)

    def stop(self):
        pass


class MountedSide(Side):
    """One that a command mounts."""

    def __init__(self, name, content, folder, native, command):
        super().__init__(name, content, os.path.join(folder, name), native)
        self.command = command
        self.log = os.path.join(folder, f"{name}.log")

    def words(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            lines = file.read().strip().splitlines()
        return lines[-1] if lines else "without a word"

    def await_mount(self, process):
        """Until the mount is there, or the command failed. One that stays in the foreground
        does as well as one that goes to the background."""
        deadline = time.monotonic() + PATIENCE
        pidfd = os.pidfd_open(process.pid)
        try:
            with open("/proc/self/mountinfo", encoding="utf-8") as table:
                while not (mount := mount_on(self.path)) and process.poll() is None:
                    events = (table, select.POLLPRI), (pidfd, select.POLLIN)
                    if not wait_for_events(events, deadline - time.monotonic()):
                        raise Failure(f"not mounted after {PATIENCE} s")
        finally:
            os.close(pidfd)
        mount = mount or mount_on(self.path)
        if process.poll():
            raise Failure(f"exit status {process.returncode}: {self.words()}")
        if not mount:
            raise Failure(f"nothing is mounted: {self.words()}")
        return mount

    def await_answer(self):
        """Until it answers: then the process that serves is the one that will go on to."""
        try:
            done = subprocess.run(["stat", "-f", self.path], timeout=PATIENCE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        except subprocess.TimeoutExpired:
            raise Failure(f"no answer after {PATIENCE} s") from None
        if done.returncode != 0:
            raise Failure(done.stderr.decode(errors="replace").strip())

    def find_servers(self, known):
        for pid in processes():
            if pid not in known and connections(pid) & {self.connection, None}:
                self.servers.append(Server(pid))

    def start(self, known):
        os.mkdir(self.path)
        if self.native:
            os.mkdir(self.native)
        with open(self.log, "wb") as log:
            process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, start_new_session=True)
        try:
            self.learn_kind(self.await_mount(process))
            self.await_answer()
            process.poll()
        except Failure:
            if process.poll() is None:
                process.kill()
                process.wait()
            raise
        self.find_servers(known)

    def stop(self):
        """Servers end with their mount; one that does not is ended."""
        if mount_on(self.path):
            subprocess.run(["umount", "-l", self.path], stderr=subprocess.DEVNULL)
        for server in self.servers:
            if not server.ended(PATIENCE):
                server.kill()


def shmfs(path, *words):
    return [paths.SHMFS, "-o", ",".join(words), path]


def known_commands(kind, native, path):
    """The commands of the sides that are always there, except of native."""
    which = f"shm_dir={native}" if native else f"kind={kind}"
    return {
        # What it is by default, where there is passthrough.
        "passthrough": shmfs(path, which, "passthrough=require"),
        "notify": shmfs(path, which, "passthrough=require", "coherence=notify"),
        "direct": shmfs(path, which, "passthrough=off"),
        "bindfs": ["bindfs", native, path],
    }


def native_sides(kind):
    content = CONTENTS[kind][0]
    if kind == "sysv":
        return [Side("native", content, "/proc/sysvipc"),
                Side("map_files", "map_files", "/proc/self/map_files")]
    shm = "/dev/shm/native"
    os.mkdir(shm)
    return [Side("native", content, shm, shm)]


def make(folder, chosen):
    """The sides that are wanted, not started yet, native first."""
    kind, content = chosen.kind, CONTENTS[chosen.kind][1]

    def mounted(name, command):
        """Each shows a directory of its own, but all show the same segments."""
        native = f"/dev/shm/{name}" if kind == "posix" else None
        path = os.path.join(folder, name)
        if command:
            words = ["sh", "-c", command, name, native or "", path]
        else:
            words = known_commands(kind, native, path)[name]
        return MountedSide(name, content, folder, native, words)

    made = native_sides(kind)
    made += [mounted(name, None) for name in DEFAULT[kind][len(made):]]
    made += [Side(name, content, path) for name, path in chosen.directories]
    made += [mounted(name, command) for name, command in chosen.mounts]
    return [side for side in made if not chosen.sides or side.name in chosen.sides]
