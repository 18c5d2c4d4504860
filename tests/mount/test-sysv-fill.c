/* SPDX-License-Identifier: MIT */
/*
 * Segments that are filled by the programs that everybody uses, which write first and
 * never say how large a file will be: what they have written is the segment once they
 * have closed it, or they fail, and then there is none.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "person.h"
#include "sandbox.h"
#include "segments.h"
#include "util/cleanup.h"

#define KEY  0x1234
#define NAME "0x00001234"
#define A    MOUNT_DIR "/" NAME

/* More than a request has, and no whole page. */
#define SIZE   5000003
#define SOURCE SCRATCH_DIR "/source"

static const struct person alice = { .name = "alice", .uid = 1000, .gid = 1000 };

static char *source; /* its contents */

static int setup(void **state)
{
	int fd;

	if (segments_setup(state) != 0)
		return -1;
	source = malloc(SIZE);
	assert_non_null(source);
	srand(1);
	for (size_t i = 0; i < SIZE; i++)
		source[i] = (char)rand();
	/* A hole, as some look for. */
	memset(source + (1 << 20), 0, 1 << 20);
	fd = must(open(SOURCE, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640));
	assert_int_equal(must(write(fd, source, SIZE)), SIZE);
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1 << 20, 1 << 20));
	must(close(fd));
	must(chmod(SCRATCH_DIR, 0755));
	return 0;
}

static int teardown(void **state)
{
	free(source);
	return mount_teardown(state);
}

#define fill_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

/* Runs a line of shell in the mount, as @who. */
static struct outcome shell(const struct person *who, const char *line)
{
	_cleanup_free_ char *script = NULL;

	assert_true(asprintf(&script, "exec 2>&1; cd " MOUNT_DIR " || exit; %s", line) >
		    0);
	return command_run(who, (const char *const[]){ "bash", "-c", script, NULL });
}

static void shell_does(const struct person *who, const char *line)
{
	struct outcome o = shell(who, line);

	if (o.status != 0)
		fail_msg("%s: status %d: %s", line, o.status, o.out);
}

static bool has(const char *program)
{
	_cleanup_free_ char *line = NULL;

	assert_true(asprintf(&line, "command -v %s", program) > 0);
	return shell(NULL, line).status == 0;
}

/* The segment of KEY must hold @n bytes at @text, and go. */
static void expect_filled(const char *line, const char *text, size_t n)
{
	int id = shmget(KEY, 0, 0);
	const char *found;

	if (id < 0)
		fail_msg("%s: no segment", line);
	if (segment_status(id).shm_segsz != n)
		fail_msg("%s: %zu bytes", line, segment_status(id).shm_segsz);
	found = segment_attach(id, SHM_RDONLY);
	if (memcmp(found, text, n) != 0)
		fail_msg("%s: other contents", line);
	segment_detach((volatile char *)(uintptr_t)found);
	segment_remove(id);
	await_that(!segment_exists(id));
}

/* There is nothing, and the name is free. */
static void expect_nothing(const char *line)
{
	struct stat st;

	if (segments_count() != 0)
		fail_msg("%s: a segment is left", line);
	await_that(stat(A, &st) < 0);
	assert_int_equal(errno, ENOENT);
}

/* All of them copy SOURCE. */
static const char *const fillers[] = {
	"cp " SOURCE " " NAME,
	"cp --sparse=always " SOURCE " " NAME,
	"cp --sparse=never " SOURCE " " NAME,
	"cat " SOURCE " >" NAME,
	"cat <" SOURCE " | cat >>" NAME,
	"install -m 600 " SOURCE " " NAME,
	"tee " NAME " <" SOURCE " >" SCRATCH_DIR "/other",
	"dd if=" SOURCE " of=" NAME " bs=5M status=none",
	"dd if=" SOURCE " of=" NAME " bs=4099 status=none conv=fsync",
	"dd if=" SOURCE " of=" NAME " bs=5M status=none oflag=direct",
	"tar -C " SCRATCH_DIR " -c source --transform s/source/" NAME "/ | tar -x",
	"cp -a " SOURCE " " NAME,
	"cp " SOURCE " " SCRATCH_DIR "/other; mv " SCRATCH_DIR "/other " NAME,
	/* By descriptors that several have, each of whom closes it. */
	"{ head -c 3000000 " SOURCE "; tail -c +3000001 " SOURCE "; } >" NAME,
	"exec 3>" NAME "; head -c 99 " SOURCE " >&3; tail -c +100 " SOURCE " >&3",
};

static void test_tools(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fillers) / sizeof(fillers[0]); i++) {
		shell_does(NULL, fillers[i]);
		expect_filled(fillers[i], source, SIZE);
	}
}

static void test_python(void **state)
{
	const char *line =
		"python3 -c 'import sys; open(sys.argv[1], \"wb\", "
		"buffering=0).write(open(sys.argv[2], \"rb\").read())' " NAME " " SOURCE;

	(void)state;
	if (!has("python3"))
		skip();
	shell_does(NULL, line);
	expect_filled(line, source, SIZE);
}

static void test_rsync(void **state)
{
	const char *line = "rsync -a --inplace " SOURCE " " NAME;

	(void)state;
	if (!has("rsync"))
		skip();
	shell_does(NULL, line);
	assert_int_equal(segment_status(segment_find(KEY)).shm_perm.mode & 0777, 0640);
	expect_filled(line, source, SIZE);
}

/* With the mode and the owner of what was copied, and times that are none. */
static void test_attributes_are_kept(void **state)
{
	static const char *const lines[] = {
		"cp -p " SOURCE " " NAME,
		"cp -a " SOURCE " " NAME,
		"install -p -m 640 -o 1000 -g 1000 " SOURCE " " NAME,
		"cp -p " SOURCE " " SCRATCH_DIR "/other; mv " SCRATCH_DIR "/other " NAME,
		"tar -C " SCRATCH_DIR " -c source --transform s/source/" NAME
		"/ | tar -xp",
	};
	struct shmid_ds ds;

	(void)state;
	person_needs_root();
	must(chown(SOURCE, alice.uid, alice.gid));
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		shell_does(NULL, lines[i]);
		ds = segment_status(segment_find(KEY));
		assert_int_equal(ds.shm_perm.mode & 0777, 0640);
		assert_int_equal(ds.shm_perm.uid, alice.uid);
		assert_int_equal(ds.shm_perm.gid, alice.gid);
		expect_filled(lines[i], source, SIZE);
	}
	shell_does(&alice, "cp -p " SOURCE " " NAME " && touch -d yesterday " NAME);
	expect_filled("as alice", source, SIZE);
}

static int touch(const void *times)
{
	return errno_or(utimensat(AT_FDCWD, A, times, 0));
}

static void test_times(void **state)
{
	const struct timespec old[2] = { { .tv_sec = 1 }, { .tv_sec = 1 } };
	struct stat before, after;
	int id = segment_make_as(&alice, KEY, PAGE, 0600);
	struct person bob = { .name = "bob", .uid = 1001, .gid = 1001 };

	(void)state;
	person_needs_root();
	before = file_stat(MOUNT_DIR, NAME);
	assert_int_equal(person_do(&alice, touch, old), 0);
	assert_int_equal(person_do(&alice, touch, NULL), 0);
	assert_int_equal(person_do(NULL, touch, old), 0);
	after = file_stat(MOUNT_DIR, NAME);
	assert_memory_equal(&after, &before, sizeof(after));
	assert_int_equal(person_do(&bob, touch, old), -EPERM);
	assert_int_equal(person_do(&bob, touch, NULL), -EACCES);
	segment_give(id, 0, 0, 0666);
	assert_int_equal(person_do(&alice, touch, old), 0);
	assert_int_equal(person_do(&bob, touch, old), -EPERM);
	assert_int_equal(person_do(&bob, touch, NULL), 0);
}

static bool is_same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Segments have come or gone since the directory was @before. */
static void await_change(struct stat *before)
{
	struct stat now;

	await_that((now = file_stat(MOUNT_DIR, "."),
		    !is_same_time(&now.st_mtim, &before->st_mtim)));
	assert_true(is_same_time(&now.st_mtim, &now.st_ctim));
	*before = now;
}

/* The directory's are of when segments came or went, for whoever reads it meanwhile. */
static void test_times_of_the_directory(void **state)
{
	struct stat before = file_stat(MOUNT_DIR, "."), after;
	int id = segment_make(KEY, PAGE, 0600);

	(void)state;
	await_change(&before);
	segment_put(id, 0, "attached");
	must(chmod(A, 0640));
	/* Longer than what was read once serves. */
	poll(NULL, 0, 200);
	after = file_stat(MOUNT_DIR, ".");
	assert_memory_equal(&after, &before, sizeof(after));
	shell_does(NULL, "tar -c . >" SCRATCH_DIR "/other");
	segment_remove(id);
	await_change(&before);
}

/* Each of them fails, by what it writes or when it closes, and leaves nothing. */
static void expect_failures(const char *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct outcome o = shell(NULL, fillers[i]);

		if (o.status == 0)
			fail_msg("%s: done", fillers[i]);
		if (!strstr(o.out, words))
			fail_msg("%s: %s", fillers[i], o.out);
		expect_nothing(fillers[i]);
	}
}

#define ALL    (sizeof(fillers) / sizeof(fillers[0]))
/* Those that write it with one program. */
#define SINGLE (ALL - 2)

static void test_limits(void **state)
{
	(void)state;
	tunable_set("kernel/shmmax", "4990000");
	expect_failures("File too large", ALL);
	tunable_set("kernel/shmmax", "5000003");
	tunable_set("kernel/shmall", "1220");
	expect_failures("No space left on device", ALL);
	tunable_set("kernel/shmall", "1000000");
	tunable_set("kernel/shmmni", "0");
	expect_failures("No space left on device", SINGLE);
	tunable_set("kernel/shmmni", "1");
	shell_does(NULL, fillers[0]);
	expect_filled(fillers[0], source, SIZE);
}

/* Somebody makes the key natively before the writer is done. */
static void test_key_is_taken(void **state)
{
	int fd = must(open(A, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
	int id;

	(void)state;
	assert_int_equal(must(write(fd, source, SIZE)), SIZE);
	id = segment_make(KEY, PAGE, 0600);
	refused(fsync(fd), EEXIST);
	refused(close(fd), EEXIST);
	assert_int_equal(segments_count(), 1);
	assert_int_equal(segment_find(KEY), id);
	segment_expect(id, 0, "");
}

static void test_name_is_removed(void **state)
{
	int fd = must(open(A, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));

	(void)state;
	assert_int_equal(must(write(fd, source, SIZE)), SIZE);
	must(unlink(A));
	refused(write(fd, source, 1), EIDRM);
	refused(close(fd), EIDRM);
	expect_nothing("removed");
}

/* What is read of it before it is a segment is what was written. */
static void test_before_it_is_there(void **state)
{
	_cleanup_close_ int fd = must(open(A, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	_cleanup_close_ int other = must(open(A, O_RDWR | O_APPEND | O_CLOEXEC));
	_cleanup_close_ int from = must(open(SOURCE, O_RDONLY | O_CLOEXEC));
	char found[16], *p;

	(void)state;
	assert_int_equal(must(pwrite(fd, "text", 4, PAGE)), 4);
	assert_int_equal(must(write(other, "more", 4)), 4);
	assert_int_equal(fd_stat(other).st_size, PAGE + 8);
	assert_int_equal(file_stat(MOUNT_DIR, NAME).st_size, PAGE + 8);
	assert_int_equal(must(pread(other, found, sizeof(found), PAGE - 2)), 10);
	assert_memory_equal(found, "\0\0textmore", 10);
	assert_int_equal(must(lseek(fd, 0, SEEK_DATA)), PAGE);
	assert_int_equal(must(lseek(fd, 0, SEEK_END)), PAGE + 8);
	refused(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0), ENODEV);
	p = must(mmap(NULL, 2 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0));
	assert_memory_equal(p + PAGE, "textmore", 8);
	must(munmap(p, 2 * PAGE));
	assert_int_equal(must(sendfile(fd, from, NULL, 100)), 100);
	assert_int_equal(must(pread(fd, found, 16, PAGE + 8)), 16);
	assert_memory_equal(found, source, 16);
	assert_int_equal(segments_count(), 0);
	/* To open it anew as a shell does empties it. */
	close(file_open(MOUNT_DIR, NAME, O_WRONLY | O_TRUNC));
	assert_int_equal(fd_stat(fd).st_size, 0);
	assert_int_equal(must(pwrite(fd, "text", 4, 0)), 4);
	must(fsync(fd));
	assert_int_equal(segments_count(), 1);
	fd = close_fd(fd);
	other = close_fd(other);
	expect_filled("fsync", "text", 4);
}

/* A size that was said holds. */
static void test_said_sizes(void **state)
{
	_cleanup_close_ int fd = must(open(A, O_RDWR | O_CREAT | O_CLOEXEC, 0600));

	(void)state;
	assert_int_equal(must(write(fd, "text", 4)), 4);
	must(ftruncate(fd, 6));
	assert_int_equal(must(write(fd, "more", 4)), 2);
	refused(write(fd, "re", 2), ENOSPC);
	fd = close_fd(fd);
	expect_filled("ftruncate", "textmo", 6);
	fd = must(open(A, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	must(fallocate(fd, 0, 0, 6));
	assert_int_equal(must(write(fd, "text", 4)), 4);
	assert_int_equal(must(write(fd, "more", 4)), 2);
	refused(write(fd, "re", 2), ENOSPC);
	fd = close_fd(fd);
	expect_filled("fallocate", "textmo", 6);
}

/* A writer that writes until it is killed, by @number. */
static pid_t start_writer(int number, size_t n)
{
	pid_t pid = must(fork());
	int fd;

	if (pid != 0)
		return pid;
	fd = open(A, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	for (size_t at = 0; at < n; at += PAGE)
		if (write(fd, source + at % PAGE, PAGE) != PAGE)
			_exit(1);
	if (number) {
		/* Under nohup(1) it is ignored. */
		signal(number, SIG_DFL);
		kill(getpid(), number);
	}
	_exit(close(fd) < 0);
}

/* Who ends without closing has written what it meant to; who is killed has not. */
static void test_killed_writers(void **state)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGINT, SIGPIPE, SIGHUP };
	int status;

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		must(waitpid(start_writer(signals[i], 3 * PAGE), &status, 0));
		assert_true(WIFSIGNALED(status));
		expect_nothing(strsignal(signals[i]));
	}
	/* However that is told to her. */
	shell_does(&alice, "bash -c 'exec >" NAME "; echo text; kill -SEGV $$' || true");
	expect_nothing("a user");
	shell_does(NULL, "perl -e 'open(F, \">\", \"" NAME "\"); syswrite(F, \"text\"); "
			 "use POSIX; POSIX::_exit(0)'");
	expect_filled("_exit", "text", 4);
}

/* At whatever moment: all of it, or nothing. */
static void test_killed_at_random(void **state)
{
	unsigned int whole = 0, rounds = 60;
	int status;
	pid_t pid;

	(void)state;
	for (unsigned int i = 0; i < rounds; i++) {
		const struct timespec moment = { .tv_nsec = rand() % 20 * 1000 * 1000 +
							    rand() % 1000 * 1000 };

		pid = start_writer(0, 256 * PAGE);
		nanosleep(&moment, NULL);
		kill(pid, SIGKILL);
		must(waitpid(pid, &status, 0));
		if (segments_count() == 0) {
			/* What it had said was done is. */
			assert_true(WIFSIGNALED(status));
			expect_nothing("killed");
			continue;
		}
		assert_int_equal(segment_status(segment_find(KEY)).shm_segsz, 256 * PAGE);
		segment_expect(segment_find(KEY), 255 * PAGE, "");
		segment_remove(segment_find(KEY));
		await_that(segments_count() == 0);
		whole++;
	}
	print_message("%u of %u were whole\n", whole, rounds);
}

/* More than four within half a second were the last. */
#define APART_MS 140

/* What was written and has no segment yet is not the daemon's alone. */
static void test_collected(void **state)
{
	_cleanup_close_ int fd = file_open(MOUNT_DIR, key_name(KEY), O_RDWR | O_CREAT);
	_cleanup_close_ int other = file_open(MOUNT_DIR, key_name(KEY), O_RDWR);
	struct stat st;
	char found[8];

	(void)state;
	for (int i = 0; i < 3; i++) {
		poll(NULL, 0, APART_MS);
		assert_int_equal(must(pwrite(fd, "text", 4, i * PAGE)), 4);
		mount_replace(SIGKILL);
		assert_int_equal(fd_stat(other).st_size, i * PAGE + 4);
		assert_int_equal(must(pread(other, found, 8, i * PAGE)), 4);
		assert_memory_equal(found, "text", 4);
	}
	assert_int_equal(segments_count(), 0);
	close(dup(fd));
	assert_int_equal(segment_status(segment_find(KEY)).shm_segsz, 2 * PAGE + 4);
	poll(NULL, 0, APART_MS);
	mount_replace(SIGKILL);
	assert_int_equal(must(pread(other, found, 8, 2 * PAGE)), 4);
	assert_memory_equal(found, "text", 4);
	segment_expect(segment_find(KEY), 0, "text");
	must(unlink(A));
	fd = close_fd(fd);
	other = close_fd(other);
	/* Whoever does not close it as what it wrote leaves nothing of it. */
	fd = file_open(MOUNT_DIR, key_name(KEY), O_WRONLY | O_CREAT);
	assert_int_equal(must(write(fd, "text", 4)), 4);
	must(unlink(A));
	poll(NULL, 0, APART_MS);
	mount_replace(SIGKILL);
	refused(close(fd), EIDRM);
	fd = -1;
	await_that(stat(A, &st) < 0 && errno == ENOENT);
	await_that(segments_count() == 0);
}

#define LARGE ((size_t)48 << 20)

/* Each page has a number of its own. */
static unsigned long page_number(unsigned int round, size_t at)
{
	return (round + 1) * UINT64_C(0x9e3779b97f4a7c15) + at;
}

/* Writes it all, says so, and closes it. */
static int write_large(unsigned int round, int told_to)
{
	int fd = open(A, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	static unsigned long words[(1 << 20) / sizeof(long)];

	for (size_t at = 0; at < LARGE; at += sizeof(words)) {
		for (size_t i = 0; i < sizeof(words) / PAGE; i++)
			words[i * PAGE / sizeof(long)] =
				page_number(round, at + i * PAGE);
		if (write(fd, words, sizeof(words)) != sizeof(words))
			return 1;
	}
	return write(told_to, "", 1) != 1 || close(fd) < 0;
}

/* In whatever moment of its making: it has all that was written. */
static void test_replaced_while_made(void **state)
{
	const unsigned long *found;
	int ends[2], status, id;
	char byte;
	pid_t pid;

	(void)state;
	must(pipe2(ends, O_CLOEXEC));
	srand((unsigned int)time(NULL));
	for (unsigned int round = 0; round < 8; round++) {
		const struct timespec moment = { .tv_nsec = rand() % 12000000 };

		poll(NULL, 0, APART_MS);
		pid = must(fork());
		if (pid == 0)
			_exit(write_large(round, ends[1]));
		assert_int_equal(must(read(ends[0], &byte, 1)), 1);
		nanosleep(&moment, NULL);
		mount_replace(SIGKILL);
		must(waitpid(pid, &status, 0));
		assert_int_equal(status, 0);
		assert_int_equal(segments_count(), 1);
		id = segment_find(KEY);
		assert_int_equal(segment_status(id).shm_segsz, LARGE);
		assert_int_equal(segment_status(id).shm_perm.mode & 0777, 0640);
		found = (const unsigned long *)(void *)segment_attach(id, SHM_RDONLY);
		for (size_t at = 0; at < LARGE; at += PAGE)
			if (found[at / sizeof(long)] != page_number(round, at))
				fail_msg("round %u: page at %zu", round, at);
		segment_detach((char *)(uintptr_t)found);
		segment_remove(id);
		await_that(segments_count() == 0);
	}
	close(ends[0]);
	close(ends[1]);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		fill_test(test_tools),
		fill_test(test_python),
		fill_test(test_rsync),
		fill_test(test_attributes_are_kept),
		fill_test(test_times),
		fill_test(test_times_of_the_directory),
		fill_test(test_limits),
		fill_test(test_key_is_taken),
		fill_test(test_name_is_removed),
		fill_test(test_before_it_is_there),
		fill_test(test_said_sizes),
		fill_test(test_killed_writers),
		fill_test(test_killed_at_random),
		fill_test(test_collected),
		fill_test(test_replaced_while_made),
	};

	return cmocka_run_group_tests_name("sysv-fill", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(120, run);
}
