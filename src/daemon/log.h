/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One line for each decision and each failure: on standard error while there is one to
 * read it, in the system log once the daemon is in the background.
 */

void log_init(void);
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* From now on to the system log. */
void log_to_syslog(void);
/* Keeps no descriptor for it, until the next line. */
void log_close(void);

/*
 * libfuse reports a failed mount by messages of its own, and so does fusermount3, which
 * it starts. Between log_capture() and log_captured() the last of them is kept instead of
 * printed, so that we print one line.
 */
void log_capture(void);
/* The message, "" if there was none; valid until the next log_capture(). */
const char *log_captured(void);
