#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What documents the options says the same everywhere.

`shmfs --help`, the man page and the completions of the three shells are compared option
by option, with the values that an option can have; and each mount option of the man page
is given to the program, which must know it. Links between documents lead to what is there, and
the picture has the words of its source.

usage: test-docs.py SHMFS TOP
"""
import html
import pathlib
import re
import subprocess
import sys

failures = []


def expect(condition, message):
    if not condition:
        failures.append(message)


def expect_same(what, found, reference):
    for option in sorted(reference - found):
        failures.append(f"{what} lacks {option}")
    for option in sorted(found - reference):
        failures.append(f"{what} has {option}, which nothing else knows")


def mount_options(text):
    """The mount options in text like 'passthrough=auto|require|off', one for each value.

    A value in capitals stands for whatever the user means, and is dropped.
    """
    name, _, values = text.partition("=")
    if not values or values.isupper():
        return {name}
    return {f"{name}={value}" for value in values.split("|")}


def flags(text):
    return set(re.findall(r"(?<![\w-])--?[A-Za-z]+(?![\w=-])", text))


def from_help(text):
    """The flags and mount options of --help: each line that has one begins with it."""
    found = set()
    for line in text.splitlines():
        heading = re.match(r"\s+(-.*?)(\s{2,}|$)", line)
        if not heading:
            continue
        option = re.match(r"-o ([\w|*-]+)(=[\w|]+)?$", heading[1])
        if option and option[2]:
            found |= mount_options(option[1] + option[2])
        elif option:
            found |= set(option[1].split("|"))
        else:
            found |= flags(heading[1])
    return found


def plain(line):
    """A heading of the man page without its markup."""
    line = re.sub(r"(?<!\\)[*]|(?<![\w\\])_|_(?!\w)", "", line)
    return line.replace("\\", "")


def from_man(text):
    """The own options (section OPTIONS) and the standard ones (section MOUNT OPTIONS)."""
    section, own, standard = None, set(), set()
    for line in text.splitlines():
        if line.startswith("# "):
            section = line[2:]
        elif section == "OPTIONS" and line.startswith("*-o "):
            word = plain(line)[len("-o "):]
            own |= {"-o"} if "[" in word else mount_options(word)
        elif section == "OPTIONS" and line.startswith("*-"):
            own |= flags(plain(line))
        elif section == "MOUNT OPTIONS" and line.startswith("*"):
            for word in plain(line.replace(r"\_", "\0")).replace("\0", "_").split(", "):
                standard |= mount_options(word)
    return own, standard


def from_bash(text):
    options = set()
    for words in re.findall(r"options='([^']*)'", text):
        for word in words.split():
            options |= {word.removesuffix("=")}
    # A name that is completed to its values is there with each of them.
    options -= {option.partition("=")[0] for option in options if "=" in option}
    return options | flags(re.search(r"compgen -W '(-[^']*)'", text)[1])


def from_zsh(text):
    options = set()
    spec = r"^\t'([\w-]+)\[[^]]*\](?::[^:]*:\(([^)]*)\))?"
    for name, values in re.findall(spec, text, re.M):
        options |= {f"{name}={value}" for value in values.split()} or {name}
    for words in re.findall(r"^\t'(?:\*|\(- \*\))?'?({.*}|-\w)[^{\w]", text, re.M):
        options |= flags(words.replace(",", " ").strip("{}"))
    return options


def from_fish(text):
    options = set(re.findall(r"^ +([\w=]+)\\t'", text, re.M))
    options = {option.removesuffix("=") for option in options}
    for line in re.findall(r"^complete -c shmfs (-s .*)$", text, re.M):
        options |= {"-" + short for short in re.findall(r"-s (\w)", line)}
        options |= {"--" + name for name in re.findall(r"-l (\w+)", line)}
    return options


def run(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=30)


def check_known(shmfs, options):
    """Status 2 is for what the program does not know, 1 for a missing mount point."""
    samples = {"max_read": "max_read=65536", "poll": "poll=0", "shm_dir": "shm_dir=/dev/shm",
               "ipcns": "kind=sysv,ipcns=/proc/self/ns/ipc",
               "fsname": "fsname=name", "subtype": "subtype=name",
               "x-*": "x-systemd.automount"}
    for option in sorted(options):
        result = run(shmfs, "-o", samples.get(option, option), "/nonexistent/mountpoint")
        expect(result.returncode == 1 and result.stderr.startswith("shmfs: "),
               f"shmfs -o {option}: status {result.returncode}: {result.stderr.strip()}")
    for wrong in ("no-such-option", "passthrough=maybe", "kind=none", "max_read=many",
                  "poll=often", "ipcns=1"):
        result = run(shmfs, "-o", wrong, "/nonexistent/mountpoint")
        expect(result.returncode == 2 and wrong.partition("=")[0] in result.stderr,
               f"shmfs -o {wrong}: status {result.returncode}: {result.stderr.strip()}")


def check_links(top, document):
    """Relative links and pictures of a document; of those to elsewhere nothing is known."""
    text = (top / document).read_text()
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
    expect(targets, f"{document}: no links in it")
    for target in targets:
        if "://" not in target and not (top / document).parent.joinpath(target).exists():
            failures.append(f"{document}: {target} is not there")


def check_picture(source):
    """Whoever changes the words of the source must draw the picture again."""
    text = "\n".join(re.findall(r'label="((?:[^"\\]|\\.)*)"', source.read_text()))
    drawn = html.unescape(source.with_suffix(".svg").read_text())
    for word in re.sub(r"\\[nl]", " ", text).replace("\\", "").split():
        expect(word in drawn, f"{source.with_suffix('.svg').name} lacks '{word}': draw it again")


def main(shmfs, top):
    contrib = pathlib.Path(top) / "contrib"
    result = run(shmfs, "--help")
    expect(result.returncode == 0, f"shmfs --help: status {result.returncode}")
    own, standard = from_man((contrib / "man" / "shmfs.1.scd").read_text())
    helped = from_help(result.stdout)
    # The help may also list standard mount options.
    expect_same("shmfs --help", helped - (standard - own) - {"-o"}, own - {"-o"})
    # What only fstab has, and stands for more than one name, is not completed.
    everything = own | standard - {"x-*"}
    completion = contrib / "completion"
    for name, parse in (("shmfs.bash", from_bash), ("_shmfs", from_zsh),
                        ("shmfs.fish", from_fish)):
        expect_same(name, parse((completion / name).read_text()), everything)
    check_known(shmfs, {name for name in own | standard if not name.startswith("-")})
    for document in ("README.md", ".github/CONTRIBUTING.md", ".github/SECURITY.md",
                     "contrib/doc/news.md"):
        check_links(pathlib.Path(top), document)
    check_picture(contrib / "doc" / "sharing.dot")
    for failure in failures:
        print(failure)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
