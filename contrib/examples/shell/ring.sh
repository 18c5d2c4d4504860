#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Sends texts through a ring in a file of the mount, or receives them (../README.md).
#
#	sh ring.sh send FILE TEXT...
#	sh ring.sh receive FILE COUNT
#
# A shell cannot map a file. Reading and writing it reaches the same memory, in both modes
# of the mount, and every call is seen before the next one.
set -eu
slots=15 text_max=252 version=0 head=64 tail=128 # the last three are places in the file

fail()
{
	printf 'ring: %s\n' "$1" >&2
	exit 1
}

# The words of a ring are below 256 and little-endian: their first byte is all of them.
load()
{
	od -A n -t u1 -j "$1" -N 1 "$file" | tr -d ' '
}

# Stores standard input at place $1.
put()
{
	dd of="$file" bs=1 seek="$1" conv=notrunc status=none
}

store()
{
	# shellcheck disable=SC2059 # the format is the byte
	printf "\\$(printf %03o "$2")" | put "$1"
}

# Nothing wakes us when word $1 is no longer $2: we look again, soon enough.
await_change()
{
	while [ "$(load "$1")" -eq "$2" ]; do
		sleep 0.005
	done
}

send()
{
	at=$(load $head)
	next=$(((at + 1) % slots))
	await_change $tail $next # full
	slot=$((256 * (1 + at)))
	printf '%s' "$1" | put $((slot + 4))
	store "$slot" "$(printf '%s' "$1" | wc -c)"
	store $head $next # last: who sees it sees the text
}

receive()
{
	at=$(load $tail)
	await_change $head "$at"
	slot=$((256 * (1 + at)))
	tail -c +$((slot + 5)) "$file" | head -c "$(load "$slot")"
	echo
	store $tail $(((at + 1) % slots))
}

if [ $# -lt 3 ] || { [ "$1" != send ] && { [ "$1" != receive ] || [ $# -ne 3 ]; }; }; then
	echo 'usage: ring send FILE TEXT... | ring receive FILE COUNT' >&2
	exit 2
fi
verb=$1 file=$2
shift 2
for text; do
	[ "$(printf '%s' "$text" | wc -c)" -le "$text_max" ] ||
		fail "a text has at most $text_max bytes"
done

# A new file is empty, and a ring of zeros is an empty ring: it takes no creator.
: >>"$file"
[ -s "$file" ] || truncate -s 4096 "$file"
if [ "$(stat -L -c %s "$file")" -ne 4096 ] || [ "$(load $version)" -gt 1 ]; then
	fail "$file is no ring of version 1"
fi
store $version 1

if [ "$verb" = send ]; then
	for text; do
		send "$text"
	done
else
	left=$1
	while [ "$left" -gt 0 ]; do
		receive
		left=$((left - 1))
	done
fi
