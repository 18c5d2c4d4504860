/* SPDX-License-Identifier: MIT */
/*
 * The command line: each form that is taken, and for each that is refused one line that
 * names what is wrong.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/log.h"
#include "daemon/options.h"
#include "util/cleanup.h"

#define MAX_ARGS 16

struct parsed {
	struct options options;
	int r;
	char printed[1024]; /* on standard error */
	char fuse[1024];    /* what is left for libfuse, with a space behind each */
};

static void join(struct parsed *p)
{
	for (int i = 1; i < p->options.fuse.argc; i++) {
		strncat(p->fuse, p->options.fuse.argv[i], sizeof(p->fuse) - 512);
		strcat(p->fuse, " ");
	}
}

/* Parses the arguments up to NULL, with standard error led to a place of ours. */
static void parse(struct parsed *p, const char *const args[])
{
	_cleanup_close_ int saved = dup(STDERR_FILENO);
	_cleanup_close_ int place = memfd_create("printed", MFD_CLOEXEC);
	char *argv[MAX_ARGS] = { (char *)(uintptr_t) "shmfs" };
	int argc = 1;

	for (; args[argc - 1]; argc++) {
		assert_true(argc >= 1 && argc <= MAX_ARGS - 2);
		argv[argc] = (char *)(uintptr_t)args[argc - 1];
	}
	*p = (struct parsed){ .r = 0 };
	assert_true(dup2(place, STDERR_FILENO) >= 0);
	p->r = options_parse(argc, argv, &p->options);
	fflush(stderr);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	assert_true(pread(place, p->printed, sizeof(p->printed) - 1, 0) >= 0);
	if (p->r == 0)
		join(p);
}

#define PARSE(p, ...) parse(p, (const char *const[]){ __VA_ARGS__, NULL })

static void done(struct parsed *p)
{
	options_done(&p->options);
}

static void expect_accepted(const struct parsed *p)
{
	assert_string_equal(p->printed, "");
	assert_int_equal(p->r, 0);
}

/* One line, by us, that has @culprit in it. */
static void expect_refused(struct parsed *p, const char *culprit)
{
	assert_int_equal(p->r, -EINVAL);
	assert_int_equal(strncmp(p->printed, "shmfs: ", 7), 0);
	assert_ptr_equal(strchr(p->printed, '\n'), p->printed + strlen(p->printed) - 1);
	if (!strstr(p->printed, culprit))
		fail_msg("no '%s' in: %s", culprit, p->printed);
	done(p);
}

static void test_only_a_mountpoint(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, "/mnt");
	expect_accepted(&p);
	assert_string_equal(p.options.mountpoint, "/mnt");
	assert_string_equal(p.options.shm_dir, "/dev/shm");
	assert_ptr_equal(p.options.kind, &kind_posix);
	assert_int_equal(p.options.passthrough, PASSTHROUGH_AUTO);
	assert_int_equal(p.options.max_read, 0);
	assert_int_equal(p.options.poll_us, 100);
	assert_false(p.options.reserve || p.options.foreground || p.options.debug);
	assert_non_null(strstr(p.fuse, "subtype=shmfs "));
	assert_non_null(strstr(p.fuse, "fsname=shmfs "));
	/* Root serves all users. */
	assert_int_equal(strstr(p.fuse, "allow_other ") != NULL, geteuid() == 0);
	done(&p);
}

/* As mount(8) calls it: source, mount point, options. */
static void test_source_and_mountpoint(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, "source", "/mnt", "-o", "rw,dev,suid");
	expect_accepted(&p);
	assert_string_equal(p.options.mountpoint, "/mnt");
	assert_non_null(strstr(p.fuse, "fsname=source "));
	done(&p);
	PARSE(&p, "-o", "rw", "source", "-f", "/mnt");
	expect_accepted(&p);
	assert_string_equal(p.options.mountpoint, "/mnt");
	assert_non_null(strstr(p.fuse, "fsname=source "));
	done(&p);
}

/* The option is what the user wrote on purpose. */
/* Behind it even "-f" is an argument. */
static void test_separator(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, "--", "source", "/mnt");
	expect_accepted(&p);
	assert_null(strstr(p.fuse, "-- "));
	done(&p);
	PARSE(&p, "-o", "ro", "-f", "--", "-f", "/mnt");
	expect_accepted(&p);
	assert_string_equal(p.options.mountpoint, "/mnt");
	assert_non_null(strstr(p.fuse, "fsname=-f "));
	assert_null(strstr(p.fuse, "-- "));
	done(&p);
}

static void test_fsname_wins(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, "source", "/mnt", "-o", "fsname=name");
	expect_accepted(&p);
	assert_string_equal(p.options.mountpoint, "/mnt");
	assert_non_null(strstr(p.fuse, "fsname=name "));
	assert_null(strstr(p.fuse, "source"));
	done(&p);
	PARSE(&p, "-o", "fsname=name", "/mnt");
	expect_accepted(&p);
	assert_string_equal(p.options.mountpoint, "/mnt");
	assert_non_null(strstr(p.fuse, "fsname=name "));
	done(&p);
}

/* A comma in a name ends no option. */
static void test_names_are_escaped(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, "a,allow_root", "/mnt");
	expect_accepted(&p);
	assert_non_null(strstr(p.fuse, "fsname=a\\,allow_root "));
	done(&p);
	PARSE(&p, "a\\b", "/mnt");
	expect_accepted(&p);
	assert_non_null(strstr(p.fuse, "fsname=a\\\\b "));
	done(&p);
	PARSE(&p, "/mnt", "-o", "fsname=a\\,b,ro");
	expect_accepted(&p);
	assert_non_null(strstr(p.fuse, "fsname=a\\,b "));
	done(&p);
	PARSE(&p, "/mnt", "-o", "shm_dir=/x\\,y");
	expect_accepted(&p);
	assert_string_equal(p.options.shm_dir, "/x,y");
	done(&p);
}

static void test_own_options(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, "/mnt", "-o", "kind=posix,shm_dir=/x,passthrough=require,reserve");
	expect_accepted(&p);
	assert_ptr_equal(p.options.kind, &kind_posix);
	assert_string_equal(p.options.shm_dir, "/x");
	assert_int_equal(p.options.passthrough, PASSTHROUGH_REQUIRE);
	assert_true(p.options.reserve);
	/* libfuse would not know them. */
	assert_null(strstr(p.fuse, "kind"));
	assert_null(strstr(p.fuse, "shm_dir"));
	assert_null(strstr(p.fuse, "reserve"));
	done(&p);
	PARSE(&p, "-opassthrough=off", "/mnt", "-oreserve");
	expect_accepted(&p);
	assert_int_equal(p.options.passthrough, PASSTHROUGH_OFF);
	assert_true(p.options.reserve);
	done(&p);
	PARSE(&p, "/mnt", "-o", "passthrough=auto");
	expect_accepted(&p);
	assert_int_equal(p.options.passthrough, PASSTHROUGH_AUTO);
	assert_int_equal(p.options.coherence, COHERENCE_STRICT);
	assert_int_equal(p.options.restart, RESTART_CRASH);
	done(&p);
	PARSE(&p, "/mnt", "-o", "coherence=notify");
	expect_accepted(&p);
	assert_int_equal(p.options.coherence, COHERENCE_NOTIFY);
	assert_null(strstr(p.fuse, "coherence"));
	done(&p);
	PARSE(&p, "/mnt", "-o", "restart=no");
	expect_accepted(&p);
	assert_int_equal(p.options.restart, RESTART_NO);
	assert_null(strstr(p.fuse, "restart"));
	done(&p);
	PARSE(&p, "/mnt", "-o", "restart=crash");
	expect_accepted(&p);
	assert_int_equal(p.options.restart, RESTART_CRASH);
	done(&p);
	PARSE(&p, "/mnt", "-o", "coherence=notify,coherence=strict");
	expect_accepted(&p);
	assert_int_equal(p.options.coherence, COHERENCE_STRICT);
	done(&p);
}

static void test_kinds(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, "/mnt", "-o", "kind=sysv,ipcns=1");
	expect_accepted(&p);
	assert_ptr_equal(p.options.kind, &kind_sysv);
	assert_string_equal(p.options.ipcns, "1");
	assert_null(p.options.shm_dir);
	assert_null(strstr(p.fuse, "ipcns"));
	done(&p);
	PARSE(&p, "/mnt", "-o", "kind=sysv,coherence=strict,passthrough=require");
	expect_accepted(&p);
	assert_null(p.options.ipcns);
	done(&p);
	PARSE(&p, "/mnt", "-o", "reserve,shm_dir=/x,ipcns=/x\\,y,kind=all");
	expect_accepted(&p);
	assert_ptr_equal(p.options.kind, &kind_all);
	assert_string_equal(p.options.ipcns, "/x,y");
	assert_string_equal(p.options.shm_dir, "/x");
	done(&p);
	PARSE(&p, "/mnt", "-o", "kind=all");
	expect_accepted(&p);
	assert_string_equal(p.options.shm_dir, "/dev/shm");
	assert_null(p.options.ipcns);
	done(&p);
	PARSE(&p, "/mnt", "-o", "kind=sysv,kind=posix");
	expect_accepted(&p);
	assert_ptr_equal(p.options.kind, &kind_posix);
	done(&p);
}

/* An option is refused where what it is about is not presented. */
static void test_of_other_kinds(void **state)
{
	static const struct {
		const char *options, *culprit, *advice;
	} refusals[] = {
		{ "kind=sysv,shm_dir=/x", "shm_dir=", "kind=posix and kind=all" },
		{ "shm_dir=/dev/shm,kind=sysv", "shm_dir=", "kind=posix and kind=all" },
		{ "kind=sysv,reserve", "reserve", "kind=posix and kind=all" },
		{ "ipcns=1", "ipcns=", "kind=sysv and kind=all" },
		{ "kind=posix,ipcns=/x", "ipcns=", "kind=sysv and kind=all" },
		{ "restart=always", "restart=always", "crash or no" },
		{ "kind=sysv,coherence=notify", "coherence=notify", "kind=posix" },
		{ "kind=sysv,coherence=notify", "System V", "no events" },
		{ "coherence=notify,kind=all", "coherence=notify", "no events" },
	};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		PARSE(&p, "/mnt", "-o", refusals[i].options);
		expect_refused(&p, refusals[i].culprit);
		assert_non_null(strstr(p.printed, refusals[i].advice));
	}
}

static void test_the_last_wins(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, "/mnt", "-o", "shm_dir=/x,passthrough=off", "-o",
	      "shm_dir=/y,passthrough=require");
	expect_accepted(&p);
	assert_string_equal(p.options.shm_dir, "/y");
	assert_int_equal(p.options.passthrough, PASSTHROUGH_REQUIRE);
	done(&p);
}

static void test_flags(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, "-f", "/mnt");
	expect_accepted(&p);
	assert_true(p.options.foreground);
	assert_false(p.options.debug);
	done(&p);
	PARSE(&p, "/mnt", "-d");
	expect_accepted(&p);
	assert_true(p.options.foreground && p.options.debug);
	done(&p);
	PARSE(&p, "/mnt", "-o", "debug");
	expect_accepted(&p);
	assert_true(p.options.foreground && p.options.debug);
	done(&p);
}

/* They ask for no mount point. */
static void test_help_and_version(void **state)
{
	static const char *const help[] = { "-h", "--help" };
	static const char *const version[] = { "-V", "--version" };
	struct parsed p;

	(void)state;
	for (int i = 0; i < 2; i++) {
		PARSE(&p, help[i]);
		expect_accepted(&p);
		assert_true(p.options.show_help);
		done(&p);
		PARSE(&p, version[i]);
		expect_accepted(&p);
		assert_true(p.options.show_version);
		done(&p);
	}
}

static void test_for_libfuse(void **state)
{
	static const char *const kept[] = {
		"ro",
		"rw",
		"exec",
		"noexec",
		"sync",
		"async",
		"dirsync",
		"noatime",
		"allow_other",
		"subtype=x",
		"max_read=77",
		"auto_unmount",
		"default_permissions",
	};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		PARSE(&p, "/mnt", "-o", kept[i]);
		expect_accepted(&p);
		if (!strstr(p.fuse, kept[i]))
			fail_msg("%s is lost", kept[i]);
		done(&p);
	}
	PARSE(&p, "/mnt", "-o", "max_read=4096");
	assert_int_equal(p.options.max_read, 4096);
	done(&p);
	/* Who is root is for us to say. */
	PARSE(&p, "/mnt", "-o", "allow_root");
	assert_true(p.options.allow_root);
	assert_non_null(strstr(p.fuse, "allow_other "));
	assert_null(strstr(p.fuse, "allow_root"));
	done(&p);
	/* The kernel would take zeros in front for another base. */
	PARSE(&p, "/mnt", "-o", "max_read=many,max_read=04096");
	expect_accepted(&p);
	assert_int_equal(p.options.max_read, 4096);
	assert_non_null(strstr(p.fuse, "max_read=4096 "));
	assert_null(strstr(p.fuse, "many"));
	done(&p);
	PARSE(&p, "/mnt", "-o", "max_read=0");
	expect_accepted(&p);
	assert_null(strstr(p.fuse, "max_read"));
	done(&p);
	PARSE(&p, "/mnt", "-o", "poll=0");
	assert_int_equal(p.options.poll_us, 0);
	done(&p);
	PARSE(&p, "/mnt", "-o", "poll=1000");
	assert_int_equal(p.options.poll_us, 1000);
	done(&p);
}

static void test_of_fstab(void **state)
{
	static const char *const ignored[] = {
		"nosuid",
		"nodev",
		"suid",
		"dev",
		"atime",
		"relatime",
		"norelatime",
		"strictatime",
		"nostrictatime",
		"diratime",
		"nodiratime",
		"lazytime",
		"nolazytime",
		"comment=anything",
		"defaults",
		"auto",
		"noauto",
		"nofail",
		"user",
		"users",
		"nouser",
		"owner",
		"group",
		"_netdev",
		"x-systemd.automount",
		"x-systemd.requires=/x",
		"x-gvfs-hide",
	};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++) {
		PARSE(&p, "shmfs", "/mnt", "-o", ignored[i]);
		expect_accepted(&p);
		if (strstr(p.fuse, ignored[i]))
			fail_msg("%s goes to libfuse", ignored[i]);
		done(&p);
	}
	PARSE(&p, "none", "/mnt", "-o",
	      "rw,nofail,kind=posix,x-systemd.automount,noexec");
	expect_accepted(&p);
	assert_non_null(strstr(p.fuse, "noexec"));
	done(&p);
}

static void test_unknown(void **state)
{
	static const char *const unknown[] = {
		"reserved",    "reserve=1", "kinds=posix", "kind",  "shmdir=/x",
		"passthrough", "READONLY",  "xx",          "uid=0", "nonempty",
	};
	struct parsed p;

	(void)state;
	for (size_t i = 0; i < sizeof(unknown) / sizeof(*unknown); i++) {
		PARSE(&p, "/mnt", "-o", unknown[i]);
		expect_refused(&p, unknown[i]);
		PARSE(&p, "/mnt", "-o", "ro", "-o", unknown[i]);
		expect_refused(&p, unknown[i]);
	}
	PARSE(&p, "/mnt", "-o", "a\nb\033[1m\xc3\xa4");
	expect_refused(&p, "'a?b?[1m\xc3\xa4'");
	PARSE(&p, "/mnt", "-x");
	expect_refused(&p, "-x");
	PARSE(&p, "/mnt", "--foreground");
	expect_refused(&p, "--foreground");
}

static void test_bad_values(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, "/mnt", "-o", "kind=sysw");
	expect_refused(&p, "kind=sysw");
	assert_non_null(strstr(p.printed, "posix, sysv or all"));
	PARSE(&p, "/mnt", "-o", "kind=");
	expect_refused(&p, "kind=");
	PARSE(&p, "/mnt", "-o", "coherence=lax");
	expect_refused(&p, "coherence=lax");
	PARSE(&p, "/mnt", "-o", "coherence=");
	expect_refused(&p, "coherence=");
	PARSE(&p, "/mnt", "-o", "passthrough=yes");
	expect_refused(&p, "passthrough=yes");
	assert_non_null(strstr(p.printed, "auto, require or off"));
	PARSE(&p, "/mnt", "-o", "poll=often");
	expect_refused(&p, "poll=often");
	PARSE(&p, "/mnt", "-o", "poll=1001");
	expect_refused(&p, "0 to 1000 microseconds");
	PARSE(&p, "/mnt", "-o", "poll=-1");
	expect_refused(&p, "poll=-1");
	PARSE(&p, "/mnt", "-o", "max_read=many");
	expect_refused(&p, "max_read=many");
	PARSE(&p, "/mnt", "-o", "max_read=12abc");
	expect_refused(&p, "max_read=12abc");
	PARSE(&p, "/mnt", "-o", "max_read=-1");
	expect_refused(&p, "max_read=-1");
	PARSE(&p, "/mnt", "-o", "max_read=4294967296");
	expect_refused(&p, "max_read=4294967296");
	PARSE(&p, "/mnt", "-o", "shm_dir=");
	expect_refused(&p, "shm_dir=");
	PARSE(&p, "/mnt", "-o", "fsname=");
	expect_refused(&p, "fsname=");
	PARSE(&p, "/mnt", "-o", "subtype=");
	expect_refused(&p, "subtype=");
	PARSE(&p, "/mnt", "-o", "poll=");
	expect_refused(&p, "poll=");
	PARSE(&p, "/mnt", "-o", "max_read=");
	expect_refused(&p, "max_read=");
	PARSE(&p, "/mnt", "-o", "kind=sysv,ipcns=");
	expect_refused(&p, "ipcns=");
}

static void test_wrong_number_of_arguments(void **state)
{
	struct parsed p;

	(void)state;
	PARSE(&p, NULL);
	expect_refused(&p, "no mount point");
	PARSE(&p, "-f", "-o", "ro");
	expect_refused(&p, "no mount point");
	PARSE(&p, "a", "b", "c");
	expect_refused(&p, "'c'");
	PARSE(&p, "/mnt", "-o");
	expect_refused(&p, "-o");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_a_mountpoint),
		cmocka_unit_test(test_source_and_mountpoint),
		cmocka_unit_test(test_separator),
		cmocka_unit_test(test_fsname_wins),
		cmocka_unit_test(test_names_are_escaped),
		cmocka_unit_test(test_own_options),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_of_other_kinds),
		cmocka_unit_test(test_the_last_wins),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_for_libfuse),
		cmocka_unit_test(test_of_fstab),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_bad_values),
		cmocka_unit_test(test_wrong_number_of_arguments),
	};

	log_init();
	return cmocka_run_group_tests_name("options", tests, NULL, NULL) != 0;
}
