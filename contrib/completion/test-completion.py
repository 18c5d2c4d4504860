#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The completions of the three shells, of those that are there.

bash and zsh are tried as users do it: an interactive shell gets lines with tab characters, and a
function shmfs prints the arguments that have become of them. fish tells by itself what it
would offer. That all three know the same options is tested by test-docs.py.

usage: test-completion.py DIRECTORY
"""
import os
import pathlib
import pty
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

PATIENCE = 30
directory = pathlib.Path()

# What is typed, and what shmfs is called with.
LINES = (
    ("-o passthrough=r\t", "-o passthrough=require"),
    ("-o ro,passthrough=o\t", "-o ro,passthrough=off"),
    ("-o ro,pass\ta\t", "-o ro,passthrough=auto"),
    ("-o kind=s\t", "-o kind=sysv"),
    ("-o kind=sysv,noe\t", "-o kind=sysv,noexec"),
    ("-o coherence=n\t", "-o coherence=notify"),
    ("-o rese\t", "-o reserve"),
    ("-o shm_dir=%s/onl\t", "-o shm_dir=%s/only/"),
    ("-o ro,shm_dir=%s/onl\t", "-o ro,shm_dir=%s/only/"),
    ("-o ro,ipcns=%s/names\t", "-o ro,ipcns=%s/namespace"),
    ("--vers\t", "--version"),
    ("%s/onl\t", "%s/only/"),
)


class Shell:
    """An interactive shell on a terminal of its own."""

    def __init__(self, command, setup, home):
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.chdir(home)
            os.execvpe(command[0], command, {"HOME": home, "PATH": os.environ["PATH"],
                                             "TERM": "dumb", "LC_ALL": "C.UTF-8"})
        self.pid = pid
        self.type(setup + "\n")

    def type(self, text):
        os.write(self.terminal, text.encode())

    def expect(self, pattern):
        """The match of pattern in what the shell prints from now on."""
        seen, end = "", time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.1)[0]:
                seen += os.read(self.terminal, 4096).decode(errors="replace")
                found = re.search(pattern, seen)
                if found:
                    return found
        raise AssertionError(f"{pattern} is not in {seen!r}")

    def end(self):
        os.close(self.terminal)
        os.waitpid(self.pid, 0)


def run(*command):
    return subprocess.run(command, check=False, capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=PATIENCE)


class Completion(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.home = folder.name
        os.mkdir(self.home + "/only")
        pathlib.Path(self.home, "namespace").touch()

    def need(self, shell):
        if not shutil.which(shell):
            self.skipTest(f"no {shell}")

    def type_lines(self, command, setup):
        shell = Shell(command, setup + " && echo read''y", self.home)
        try:
            shell.expect("ready")
            for typed, called in LINES:
                typed, called = (text.replace("%s", self.home) for text in (typed, called))
                shell.type(f"shmfs {typed}\n")
                found = shell.expect(r"called <(.*?) *>")
                self.assertEqual(found[1], called, typed)
        finally:
            shell.end()

    def test_bash(self):
        self.type_lines(["bash", "--norc", "--noprofile", "-i"],
                        "bind 'set enable-bracketed-paste off'; "
                        f"shmfs() {{ echo \"called <$*>\"; }}; . {directory}/shmfs.bash")

    def offered_by_bash(self, line):
        script = '. "$1"; COMP_LINE=$2 COMP_POINT=${#2}; _shmfs; printf "%s\\n" "${COMPREPLY[@]}"'
        done = run("bash", "-c", script, "bash", directory / "shmfs.bash", line)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.split()

    def test_bash_offers(self):
        offered = self.offered_by_bash
        self.assertEqual(offered("shmfs -"), "-o -f -d -h --help -V --version".split())
        self.assertEqual(offered("shmfs -o kind="), ["posix", "sysv", "all"])
        self.assertEqual(offered("shmfs -o ro,coherence="), ["strict", "notify"])
        self.assertEqual(offered("shmfs -f -o ro,passthrough="), ["auto", "require", "off"])
        first = offered("shmfs -o ")
        self.assertLess({"kind=", "shm_dir=", "reserve", "ro", "defaults"}, set(first))
        self.assertEqual(offered("shmfs /mnt -o ro,"), ["ro," + option for option in first])
        # Behind "=" in the same word readline replaces only what follows.
        self.assertEqual(offered("shmfs -o kind=all,max_"), ["all,max_read="])

    def test_zsh(self):
        self.need("zsh")
        done = run("zsh", "-n", directory / "_shmfs")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.type_lines(["zsh", "-f", "-i"],
                        f"PROMPT=; unset zle_bracketed_paste; fpath=({directory} $fpath); "
                        "setopt no_auto_remove_slash; autoload -Uz compinit; compinit -u -D; "
                        "shmfs() { print -r -- \"called <$*>\" }")

    def test_fish(self):
        self.need("fish")
        done = run("fish", "-n", directory / "shmfs.fish")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for typed, called in LINES:
            typed, called = (text.replace("%s", self.home) for text in (typed, called))
            # It completes as if nothing had been typed before the last tab.
            before = typed.replace("pass\t", "passthrough=").rstrip("\t")
            done = run("fish", "--no-config", "-c",
                       'source $argv[1]; complete -C "shmfs $argv[2]"',
                       directory / "shmfs.fish", before)
            offered = [line.split("\t")[0] for line in done.stdout.splitlines()]
            self.assertEqual(offered, [called.split()[-1]], typed)

    def test_fish_offers(self):
        self.need("fish")
        done = run("fish", "--no-config", "-c",
                   'source $argv[1]; complete -C "shmfs -o ro,kind="', directory / "shmfs.fish")
        offered = {line.split("\t")[0] for line in done.stdout.splitlines()}
        self.assertEqual(offered, {"ro,kind=posix", "ro,kind=sysv", "ro,kind=all"})


if __name__ == "__main__":
    directory = pathlib.Path(sys.argv[1]).resolve()
    unittest.main(argv=sys.argv[:1], verbosity=2)
