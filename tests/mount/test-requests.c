/* SPDX-License-Identifier: MIT */
/*
 * The requests that a caller waits for, one round trip to the daemon each: these and no
 * others, in this order. They are read from the daemon's log, which names each request
 * before it is served, with the process that waits for it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "util/cleanup.h"

#define A    MOUNT_DIR "/a"
#define PAGE 4096

static int fd;       /* of A, open throughout, but in the steps before open */
static char *mapped; /* its first page */

static void do_nothing(void)
{
}

static void do_stat(void)
{
	struct stat st;

	must(stat(A, &st));
}

static void do_stat_missing(void)
{
	struct stat st;

	refused(stat(MOUNT_DIR "/missing", &st), ENOENT);
}

static void do_access(void)
{
	must(access(A, R_OK));
}

static void do_open(void)
{
	fd = must(open(A, O_RDWR | O_CLOEXEC));
}

static void do_close(void)
{
	must(close(fd));
	fd = -1;
}

static void do_open_and_close(void)
{
	do_open();
	do_close();
}

static void do_create_and_close(void)
{
	fd = must(open(MOUNT_DIR "/b", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	do_close();
}

static void do_open_with_creat(void)
{
	fd = must(open(MOUNT_DIR "/b", O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	do_close();
}

static void do_rename(void)
{
	must(rename(MOUNT_DIR "/b", MOUNT_DIR "/c"));
}

static void do_unlink(void)
{
	must(unlink(MOUNT_DIR "/c"));
}

static void do_truncate(void)
{
	must(truncate(A, 4 * PAGE));
}

static void do_chmod(void)
{
	must(chmod(A, 0640));
}

static void do_fstat(void)
{
	assert_int_equal(fd_stat(fd).st_mode, S_IFREG | 0640);
}

static void do_ftruncate(void)
{
	must(ftruncate(fd, 2 * PAGE));
}

static void do_write(void)
{
	assert_int_equal(must(pwrite(fd, "text", 4, 0)), 4);
}

static void do_append(void)
{
	assert_int_equal(must(lseek(fd, PAGE, SEEK_SET)), PAGE);
	assert_int_equal(must(write(fd, "text", 4)), 4);
}

static void do_read(void)
{
	char text[4];

	assert_int_equal(must(pread(fd, text, 4, 0)), 4);
	assert_memory_equal(text, "text", 4);
}

static void do_map_shared(void)
{
	mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(mapped, MAP_FAILED);
}

static void do_map_private(void)
{
	mapped = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	assert_ptr_not_equal(mapped, MAP_FAILED);
}

static void do_fault(void)
{
	assert_memory_equal(mapped, "text", 4);
	memcpy(mapped, "TEXT", 4);
}

static void do_unmap(void)
{
	must(munmap(mapped, PAGE));
}

static void do_flock(void)
{
	must(flock(fd, LOCK_EX | LOCK_NB));
}

static void do_lock(void)
{
	struct flock range = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };

	must(fcntl(fd, F_SETLK, &range));
}

struct step {
	const char *name;
	void (*run)(void);
	const char *passthrough; /* what it asks for */
	const char *direct;      /* NULL: the same */
};

/*
 * Before it truncates or passes a write on, the kernel wants to know whether the file has
 * capabilities to lose, as a program may. It remembers that it has none until it gets
 * attributes of the file again.
 */
static const struct step steps[] = {
	{ "nothing", do_nothing, "", NULL },
	{ "stat", do_stat, "LOOKUP GETATTR", NULL },
	{ "stat again", do_stat, "LOOKUP GETATTR", NULL },
	{ "stat of a missing name", do_stat_missing, "LOOKUP", NULL },
	{ "access", do_access, "LOOKUP ACCESS", NULL },
	{ "open and close", do_open_and_close, "LOOKUP OPEN FLUSH", NULL },
	{ "create and close", do_create_and_close, "LOOKUP CREATE FLUSH", NULL },
	{ "open with O_CREAT", do_open_with_creat, "LOOKUP OPEN FLUSH", NULL },
	{ "rename", do_rename, "LOOKUP LOOKUP RENAME", NULL },
	{ "unlink", do_unlink, "LOOKUP UNLINK", NULL },
	{ "truncate", do_truncate, "LOOKUP GETXATTR SETATTR", NULL },
	{ "chmod", do_chmod, "LOOKUP SETATTR", NULL },
	{ "open", do_open, "LOOKUP OPEN", NULL },
	{ "fstat", do_fstat, "GETATTR", NULL },
	{ "ftruncate", do_ftruncate, "GETXATTR SETATTR", NULL },
	{ "pwrite, the first", do_write, "GETXATTR", "WRITE" },
	{ "pwrite", do_write, "", "WRITE" },
	{ "write", do_append, "", "WRITE" },
	{ "read", do_read, "", "READ" },
	{ "private mapping", do_map_private, "", NULL },
	{ "its page faults", do_fault, "", "READ" },
	{ "unmapping it", do_unmap, "", NULL },
	{ "close", do_close, "FLUSH", NULL },
	{ NULL, NULL, NULL, NULL },
};

/* Where the mapping is of the object itself. */
static const struct step shared[] = {
	{ "open", do_open, "LOOKUP OPEN", NULL },
	{ "ftruncate", do_ftruncate, "GETXATTR SETATTR", NULL },
	{ "write, the first", do_write, "GETXATTR", NULL },
	{ "write", do_write, "", NULL },
	{ "shared mapping", do_map_shared, "", NULL },
	{ "page faults", do_fault, "", NULL },
	{ "fstat while mapped", do_fstat, "GETATTR", NULL },
	{ "unmapping", do_unmap, "", NULL },
	{ "close", do_close, "FLUSH", NULL },
	{ NULL, NULL, NULL, NULL },
};

static const struct step locks[] = {
	{ "open", do_open, "LOOKUP OPEN", NULL },
	{ "flock", do_flock, "SETLK", NULL },
	{ "fcntl", do_lock, "SETLK", NULL },
	{ "close", do_close, "FLUSH", NULL },
	{ NULL, NULL, NULL, NULL },
};

static size_t log_length(void)
{
	_cleanup_free_ char *log = mount_log();

	return strlen(log);
}

/* Nobody waits for these, though they may bear the number of who caused them. */
static bool is_waited_for(const char *opcode)
{
	return strcmp(opcode, "RELEASE") != 0 && strcmp(opcode, "FORGET") != 0 &&
	       strcmp(opcode, "BATCH_FORGET") != 0;
}

/* The requests of this process that the log has behind @from. */
static void read_requests(size_t from, char requests[256])
{
	_cleanup_free_ char *log = mount_log();
	char *rest = NULL;

	requests[0] = '\0';
	for (char *line = strtok_r(log + from, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		const char *opcode = strstr(line, "opcode: ");
		const char *pid = strstr(line, "pid: ");
		char word[32];

		if (!opcode || !pid || atoi(pid + 5) != getpid() ||
		    sscanf(opcode, "opcode: %31s", word) != 1 || !is_waited_for(word))
			continue;
		if (requests[0])
			strncat(requests, " ", 255 - strlen(requests));
		strncat(requests, word, 255 - strlen(requests));
	}
}

static void run_steps(const struct step *step)
{
	mount_log_requests();
	mount_start(NULL);
	file_make(NATIVE_DIR, "a", 0640, "");
	for (; step->name; step++) {
		const char *expected = step->passthrough;
		size_t from = log_length();
		char requests[256];

		step->run();
		read_requests(from, requests);
		if (!mount_passthrough() && step->direct)
			expected = step->direct;
		if (strcmp(requests, expected) != 0)
			fail_msg("%s: '%s', not '%s'", step->name, requests, expected);
	}
	mount_stop();
}

static void test_requests(void **state)
{
	(void)state;
	run_steps(steps);
}

static void test_requests_of_shared_mappings(void **state)
{
	(void)state;
	if (mount_passthrough())
		run_steps(shared);
}

static void test_requests_with_locks(void **state)
{
	(void)state;
	run_steps(locks);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		mount_test_unmounted(test_requests),
		mount_test_unmounted(test_requests_of_shared_mappings),
		mount_test_unmounted(test_requests_with_locks),
	};

	return cmocka_run_group_tests_name("requests", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(60, run);
}
