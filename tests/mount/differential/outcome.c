/* SPDX-License-Identifier: MIT */
/*
 * Times need no clock that both sides share: the test sets times only far from its own,
 * so a time is either one that was set, and then exactly the same on both sides, or else
 * it is one that the kernel took, and then it has to be one that the kernel took on both.
 */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "outcome.h"

void outcome_start(struct outcome *out)
{
	out->result = 0;
	out->used = 0;
	out->text[0] = '\0';
}

bool outcome_equal(const struct outcome *a, const struct outcome *b)
{
	return a->result == b->result && strcmp(a->text, b->text) == 0;
}

void say(struct outcome *out, const char *format, ...)
{
	size_t left = sizeof(out->text) - out->used;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(out->text + out->used, left, format, args);
	va_end(args);
	if (n > 0)
		out->used += (size_t)n < left ? (size_t)n : left - 1;
}

void say_bytes(struct outcome *out, const void *bytes, size_t length)
{
	const unsigned char *p = bytes;
	uint64_t hash = 0xcbf29ce484222325u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ p[i]) * 0x100000001b3u;
	say(out, " [%zu bytes, %016llx]", length, (unsigned long long)hash);
}

void say_time(struct outcome *out, const char *what, struct timespec at)
{
	enum { RUN_SECONDS = 7200 };
	static time_t start;

	if (!start)
		start = time(NULL);
	if (at.tv_sec > start - RUN_SECONDS && at.tv_sec < start + RUN_SECONDS)
		say(out, " %s now", what);
	else
		say(out, " %s %lld.%09ld", what, (long long)at.tv_sec, at.tv_nsec);
}

void say_stat(struct outcome *out, const struct stat *st)
{
	say(out, " {%06o, %u links, %u:%u, %lld bytes, %lld blocks of 512, io of %ld;",
	    st->st_mode, (unsigned int)st->st_nlink, st->st_uid, st->st_gid,
	    (long long)st->st_size, (long long)st->st_blocks, (long)st->st_blksize);
	say_time(out, "a", st->st_atim);
	say_time(out, "m", st->st_mtim);
	say_time(out, "c", st->st_ctim);
	say(out, "}");
}
