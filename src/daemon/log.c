/* SPDX-License-Identifier: MIT */
/* Where lines go. What libfuse has to say goes the same way. */
#define FUSE_USE_VERSION 312
#include <fuse_log.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "daemon/log.h"

static bool in_background; /* set before there are threads */
static bool capturing;     /* likewise */
static char captured[256];

static void __attribute__((format(printf, 2, 0)))
print(int level, const char *format, va_list ap)
{
	char line[512];

	vsnprintf(line, sizeof(line), format, ap);
	line[strcspn(line, "\n")] = '\0';
	if (in_background)
		syslog(level, "%s", line);
	else
		fprintf(stderr, "shmfs: %s\n", line);
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
take_fuse_log(enum fuse_log_level level, const char *format, va_list ap)
{
	char line[256];

	if (level == FUSE_LOG_DEBUG) {
		vfprintf(stderr, format, ap);
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

void log_init(void)
{
	fuse_set_log_func(take_fuse_log);
}

void log_to_syslog(void)
{
	openlog("shmfs", LOG_PID, LOG_DAEMON);
	in_background = true;
}

void log_capture(void)
{
	captured[0] = '\0';
	capturing = true;
}

const char *log_captured(void)
{
	capturing = false;
	return captured;
}
