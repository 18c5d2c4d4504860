/* SPDX-License-Identifier: MIT */
/*
 * Each allocation from the daemon's first to that with which it serves fails in turn, and
 * each opening: either it does not start, says why in a line, and leaves nothing behind;
 * or it starts, and serves.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "faulty.h"
#include "files.h"
#include "util/cleanup.h"

static bool is_mounted(void)
{
	_cleanup_free_ char *entry = mount_entry(MOUNT_DIR);

	return entry != NULL;
}

/* Makes the mount go, and the daemon with it, which is our child when its parent left. */
static void end(void)
{
	int status = 0;

	must(umount2(MOUNT_DIR, 0));
	must(waitpid(-1, &status, 0));
	assert_int_equal(status, 0);
}

/* One line of ours, and libfuse may have had something to say before. */
static bool is_clear(char *text)
{
	unsigned int own = 0, of_libfuse = 0;
	char *rest = NULL;

	for (char *line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(line, "shmfs: ", 7) != 0)
			return false;
		if (strncmp(line, "shmfs: libfuse: ", 16) == 0)
			of_libfuse++;
		else
			own++;
	}
	return own <= 1 && own + of_libfuse > 0;
}

static void check_refusal(const struct outcome *o, unsigned long from)
{
	_cleanup_free_ char *text = strdup(o->err);

	/* 2: it was in the middle of the options. */
	if (o->status < 1 || o->status > 2 || !is_clear(text))
		fail_msg("call %lu failing: status %d, %s", from, o->status, o->err);
	assert_string_equal(o->out, "");
	if (is_mounted())
		fail_msg("call %lu failing: the mount is left, %s", from, o->err);
	refused(waitpid(-1, NULL, WNOHANG), ECHILD);
}

static void check_service(unsigned long from)
{
	if (!is_mounted())
		fail_msg("call %lu failing: there is no mount", from);
	assert_int_equal(access(MOUNT_DIR "/a", F_OK), 0);
	end();
}

/*
 * libseccomp 2.5 itself dies where it has no memory, when it makes the program from the
 * filter; up to there it tells.
 */
static bool is_of_libseccomp(const struct outcome *o)
{
	return strstr(o->err, "cannot be confined") != NULL;
}

static unsigned long start(const char *options, struct inject_calls *calls, int error,
			   unsigned long from)
{
	struct outcome o;
	unsigned long failed;

	faulty_begin();
	fail_calls(calls, from, 1, error);
	o = daemon_run(MOUNT_DIR, "-o", options);
	failed = fail_none(calls);
	faulty_end();
	if (o.status == 0)
		check_service(from);
	else
		check_refusal(&o, from);
	return is_of_libseccomp(&o) ? 0 : failed;
}

static void start_in_turn(const char *options, struct inject_calls *calls, int error)
{
	unsigned long from = 0;

	while (start(options, calls, error, ++from))
		;
	assert_true(from > 1);
	print_message("%s: %lu failed\n", options, from - 1);
}

static const char *io(void)
{
	return mount_passthrough() ? "passthrough=require" : "passthrough=off";
}

static void test_memory(void **state)
{
	(void)state;
	must(prctl(PR_SET_CHILD_SUBREAPER, 1));
	file_make(NATIVE_DIR, "a", 0600, "text");
	start_in_turn(mount_passthrough() ? "coherence=notify,passthrough=require"
					  : "passthrough=off",
		      &faults->memory, ENOMEM);
}

static void test_files(void **state)
{
	(void)state;
	file_make(NATIVE_DIR, "a", 0600, "text");
	start_in_turn(io(), &faults->files, ENFILE);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_memory),
		mount_test_unmounted(test_files),
	};

	faulty_init();
	return cmocka_run_group_tests_name("fault-start", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
