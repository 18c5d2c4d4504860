/* SPDX-License-Identifier: MIT */
/*
 * The command line, one argument a line: what is refused is so with one message, and what
 * is accepted is accepted by libfuse as well, which then knows the same names.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "daemon/log.h"
#include "daemon/options.h"
#include "target.h"
#include "util/cleanup.h"

#define ARGS_MAX 32

/* In place of src/daemon/log.c: counts. */
static unsigned int messages;

static void __attribute__((format(printf, 1, 0))) hear(const char *format, va_list ap)
{
	char line[512];

	must(vsnprintf(line, sizeof(line), format, ap) > 0);
	messages++;
}

void log_error(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	hear(format, ap);
	va_end(ap);
}

static void __attribute__((format(printf, 2, 0)))
hear_libfuse(enum fuse_log_level level, const char *format, va_list ap)
{
	(void)level;
	hear(format, ap);
}

/* What libfuse is told of: names in the mount table, and numbers. */
struct told {
	char *fsname, *subtype, *max_read;
};

static void check_told(const struct options *o)
{
	static const struct fuse_opt templates[] = {
		{ "fsname=%s", offsetof(struct told, fsname), 0 },
		{ "subtype=%s", offsetof(struct told, subtype), 0 },
		{ "max_read=%s", offsetof(struct told, max_read), 0 },
		FUSE_OPT_END,
	};
	struct fuse_args args = FUSE_ARGS_INIT(o->fuse.argc, o->fuse.argv);
	const char *fsname = o->source ? o->source : "shmfs";
	struct told told = { NULL, NULL, NULL };
	char number[16];

	snprintf(number, sizeof(number), "%u", o->max_read);
	must(fuse_opt_parse(&args, &told, templates, NULL) == 0);
	must(strcmp(told.fsname, o->fsname ? o->fsname : fsname) == 0);
	must(strcmp(told.subtype, o->subtype ? o->subtype : "shmfs") == 0);
	must(strcmp(told.max_read ? told.max_read : "0", number) == 0);
	free(told.fsname);
	free(told.subtype);
	free(told.max_read);
	fuse_opt_free_args(&args);
}

/* As the daemon opens its session, short of mounting it. */
static void check_session(struct options *o)
{
	static const struct fuse_lowlevel_ops ops;
	struct fuse_session *session;

	session = fuse_session_new(&o->fuse, &ops, sizeof(ops), NULL);
	must(session && messages == 0);
	fuse_session_destroy(session);
}

static void check_accepted(struct options *o)
{
	must(o->mountpoint && o->kind);
	must(!o->fsname || *o->fsname);
	must(!o->subtype || *o->subtype);
	must(!o->shm_dir || *o->shm_dir);
	must(o->poll_us <= 1000);
	must(!o->debug || o->foreground);
	check_told(o);
	/* It would print each request. */
	if (!o->debug)
		check_session(o);
}

static void parse(int argc, char *argv[])
{
	struct options o;
	int r;

	messages = 0;
	r = options_parse(argc, argv, &o);
	must(r == 0 || r == -EINVAL);
	must(messages == (r < 0 ? 1u : 0u));
	if (r == 0 && !o.show_help && !o.show_version)
		check_accepted(&o);
	options_done(&o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = malloc(size + 1);
	char *argv[ARGS_MAX + 1] = { (char *)"shmfs" };
	char *rest = text;
	int argc = 1;

	must(text);
	memcpy(text, data, size);
	text[size] = '\0';
	while (rest && argc < ARGS_MAX)
		argv[argc++] = strsep(&rest, "\n");
	fuse_set_log_func(hear_libfuse);
	parse(argc, argv);
	return 0;
}
