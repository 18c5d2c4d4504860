/* SPDX-License-Identifier: MIT */
/*
 * Where lines go. What libfuse has to say goes the same way, and while it is captured,
 * what fusermount3 writes to standard error, too: that is a file in memory then.
 */
#define FUSE_USE_VERSION 312
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_log.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/log.h"
#include "util/cleanup.h"

static bool in_background;       /* set before there are threads */
static bool capturing;           /* likewise */
static int real = STDERR_FILENO; /* standard error, also while it is captured */
static char captured[256];

/* Whatever somebody made of a name, a line stays a line, and leaves a terminal alone. */
static void make_plain(char *line)
{
	for (; *line; line++)
		if (iscntrl((unsigned char)*line))
			*line = '?';
}

static void __attribute__((format(printf, 2, 0)))
print(int level, const char *format, va_list ap)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, ap);
	make_plain(line);
	if (in_background)
		syslog(level, "%s", line);
	else
		dprintf(real, "shmfs: %s\n", line);
}

void log_info(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	print(LOG_INFO, format, ap);
	va_end(ap);
}

void log_error(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	print(LOG_ERR, format, ap);
	va_end(ap);
}

/* libfuse begins some of its messages with its own name. */
static const char *without_prefix(const char *message)
{
	return strncmp(message, "fuse: ", 6) == 0 ? message + 6 : message;
}

static void __attribute__((format(printf, 2, 0)))
pass_on(enum fuse_log_level level, const char *format, va_list ap)
{
	char line[256];

	if (level == FUSE_LOG_DEBUG) {
		vdprintf(real, format, ap);
		return;
	}
	vsnprintf(line, sizeof(line), format, ap);
	line[strcspn(line, "\n")] = '\0';
	if (capturing)
		snprintf(captured, sizeof(captured), "%s", without_prefix(line));
	else if (level <= FUSE_LOG_ERR)
		log_error("libfuse: %s", without_prefix(line));
	else
		log_info("libfuse: %s", without_prefix(line));
}

/* What libfuse complains of, errno may still have to tell: see dispatch.c. */
static void __attribute__((format(printf, 2, 0)))
take_fuse_log(enum fuse_log_level level, const char *format, va_list ap)
{
	int saved = errno;

	pass_on(level, format, ap);
	errno = saved;
}

void log_init(void)
{
	fuse_set_log_func(take_fuse_log);
}

void log_to_syslog(void)
{
	openlog("shmfs", LOG_PID, LOG_DAEMON);
	in_background = true;
}

void log_close(void)
{
	closelog();
}

/* Where that is not possible, what would be captured is printed. */
static void capture_errors(void)
{
	_cleanup_close_ int file = memfd_create("errors", MFD_CLOEXEC);
	_cleanup_close_ int saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);

	if (file < 0 || saved < 0 || dup2(file, STDERR_FILENO) < 0)
		return;
	real = take_fd(&saved);
}

/* The last line of what was written meanwhile, unless there is none. */
static void take_errors(void)
{
	char text[1024] = "";
	ssize_t n = pread(STDERR_FILENO, text, sizeof(text) - 1, 0);
	const char *last;

	dup2(real, STDERR_FILENO);
	close_fd(real);
	real = STDERR_FILENO;
	if (n <= 0)
		return;
	text[n - (text[n - 1] == '\n')] = '\0';
	last = strrchr(text, '\n');
	snprintf(captured, sizeof(captured), "%.*s", (int)sizeof(captured) - 1,
		 without_prefix(last ? last + 1 : text));
}

void log_capture(void)
{
	captured[0] = '\0';
	capturing = true;
	capture_errors();
}

const char *log_captured(void)
{
	capturing = false;
	if (real != STDERR_FILENO)
		take_errors();
	return captured;
}
