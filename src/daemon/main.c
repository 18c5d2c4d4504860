/* SPDX-License-Identifier: MIT */
/* shmfs: presents shared-memory objects as files. From here to the session. */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "config.h"
#include "daemon/background.h"
#include "daemon/inheritance.h"
#include "daemon/log.h"
#include "daemon/mountpoint.h"
#include "daemon/options.h"
#include "daemon/remount.h"
#include "daemon/session.h"

#define EXIT_USAGE 2

static void show_version(void)
{
	struct utsname kernel;

	printf("shmfs %s\n", SHMFS_VERSION);
	printf("libfuse %s\n", fuse_pkgversion());
	if (uname(&kernel) == 0)
		printf("Linux %s\n", kernel.release);
}

/* What was asked for may be on its way to a full disk. */
static int finish_output(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	log_error("standard output: %s", strerror(errno));
	return 1;
}

static int run(struct options *o)
{
	int ready = -1;
	struct place place;

	if (o->remount)
		return remount(o) < 0 ? 1 : 0;
	if (mountpoint_hold(&o->mountpoint, o->shm_dir, &place) < 0)
		return 1;
	if (!o->foreground) {
		ready = background_enter();
		if (ready < 0) {
			log_error("cannot go to the background: %s", strerror(-ready));
			return 1;
		}
	}
	return session_run(o, &place, ready) < 0 ? 1 : 0;
}

/* Nothing of ours may get a number that means standard input, output or error. */
static int fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= 2);
	if (fd < 0) {
		log_error("/dev/null: %s", strerror(errno));
		return -errno;
	}
	close(fd);
	return 0;
}

int main(int argc, char *argv[])
{
	struct options o;
	int status = 0;

	log_init();
	if (fill_standard_descriptors() < 0 || inheritance_drop() < 0)
		return 1;
	if (options_parse(argc, argv, &o) < 0)
		status = EXIT_USAGE;
	else if (o.show_help)
		options_help();
	else if (o.show_version)
		show_version();
	else
		status = run(&o);
	if (o.show_help || o.show_version)
		status = finish_output();
	options_done(&o);
	return status;
}
