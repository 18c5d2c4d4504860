/* SPDX-License-Identifier: MIT */
/*
 * -o coherence=notify, against each other: a writer changes names and objects natively
 * without a pause, while readers make the kernel cache whatever it can get. Then the
 * writer stops, and all that the mount shows must come to be what is there: names, their
 * absence, attributes by name and by descriptor, and the listing. What is cached is not
 * asked for again for ten seconds, so an invalidation that is lost, or comes before the
 * answer that it is about, is seen.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "mount.h"
#include "util/cleanup.h"

#define NAMES   5
#define READERS 3
/* Changes of a round, at most: short ones end in the midst of what readers do. */
#define BURST   64

/* Where names are cached for a second only, a round may take that long. */
#define SECONDS 120

static bool goes_on(unsigned long round, time_t since)
{
	const char *text = getenv("SHMFS_TEST_CHECKS");

	if (text)
		return round < strtoul(text, NULL, 10);
	return round < 2000 && time(NULL) - since < SECONDS;
}

static unsigned int pick(unsigned int *seed, unsigned int n)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % n;
}

static const char *name_in(const char *dir, unsigned int i)
{
	return at(dir, (const char[]){ (char)('a' + i), '\0' });
}

/*
 * One native change; that there is nothing to change is all right. Second links are left
 * out: what is done by one that is gone before anybody looks is not seen.
 */
static void change(unsigned int *seed)
{
	const char *name = name_in(NATIVE_DIR, pick(seed, NAMES));
	const char *other = name_in(NATIVE_DIR, pick(seed, NAMES));
	unsigned int what = pick(seed, 16);
	int fd;

	switch (what) {
	case 0:
	case 1:
		(void)unlink(name);
		break;
	case 2:
	case 3:
		(void)rename(name, other);
		break;
	case 4:
		(void)renameat2(AT_FDCWD, name, AT_FDCWD, other, RENAME_EXCHANGE);
		break;
	case 5:
	case 6:
	case 7:
		(void)chmod(name, pick(seed, 512) | 0600);
		break;
	case 8:
	case 9:
		(void)truncate(name, (off_t)pick(seed, 100000));
		break;
	default:
		fd = open(name, O_RDWR | O_CLOEXEC | (what < 14 ? O_CREAT : 0), 0600);
		(void)!pwrite(fd, "x", 1, (off_t)pick(seed, 100000));
		close_fd(fd);
	}
}

/* One question, whatever the answer; now and then a change through the mount. */
static void ask(unsigned int *seed, int *fds)
{
	unsigned int i = pick(seed, NAMES);
	const char *name = name_in(MOUNT_DIR, i);
	struct dirent *entry;
	struct stat st;
	DIR *dir;

	switch (pick(seed, 16)) {
	case 0:
		close_fd(fds[i]);
		fds[i] = open(name, O_RDWR | O_CLOEXEC);
		break;
	case 1:
		dir = opendir(MOUNT_DIR);
		while (dir && (entry = readdir(dir)))
			(void)fstatat(dirfd(dir), entry->d_name, &st, 0);
		if (dir)
			closedir(dir);
		break;
	case 2:
		(void)chmod(name, 0600);
		break;
	case 3:
		(void)ftruncate(fds[i], 10);
		break;
	case 4:
		close_fd(open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
		break;
	case 5:
		if (pick(seed, 4) == 0)
			(void)rename(name, name_in(MOUNT_DIR, pick(seed, NAMES)));
		break;
	case 6:
	case 7:
		(void)fstat(fds[i], &st);
		break;
	default:
		(void)stat(name, &st);
	}
}

/* Shared with the readers. */
struct game {
	bool paused, over;
	unsigned int resting; /* readers that keep the pause */
};

static bool is(bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_SEQ_CST);
}

static void set(bool *flag, bool value)
{
	__atomic_store_n(flag, value, __ATOMIC_SEQ_CST);
}

static _Noreturn void read_on(struct game *g, unsigned int seed)
{
	int fds[NAMES] = { -1, -1, -1, -1, -1 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!is(&g->over)) {
		ask(&seed, fds);
		if (!is(&g->paused))
			continue;
		__atomic_add_fetch(&g->resting, 1, __ATOMIC_SEQ_CST);
		while (is(&g->paused) && !is(&g->over))
			(void)poll(NULL, 0, 1);
		__atomic_sub_fetch(&g->resting, 1, __ATOMIC_SEQ_CST);
	}
	_exit(0);
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_mode == b->st_mode &&
	       a->st_nlink == b->st_nlink && a->st_size == b->st_size &&
	       a->st_blocks == b->st_blocks && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static bool same_name(unsigned int i)
{
	struct stat here, there;
	bool is_here = stat(name_in(MOUNT_DIR, i), &here) == 0;
	bool is_there = stat(name_in(NATIVE_DIR, i), &there) == 0;

	return is_here == is_there && (!is_here || same(&here, &there));
}

/* The sum of the names in @dir, each a bit. */
static unsigned int list(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned int names = 0;
	struct dirent *entry;

	assert_non_null(d);
	while ((entry = readdir(d)))
		if (entry->d_name[0] != '.')
			names |= 1u << (entry->d_name[0] - 'a');
	must(closedir(d));
	return names;
}

/* An object that is open on both sides, while its name does not matter. */
struct pair {
	int here, native;
};

static void pair_open(struct pair *p, unsigned int i)
{
	struct stat a, b;

	p->here = open(name_in(MOUNT_DIR, i), O_RDONLY | O_CLOEXEC);
	p->native = open(name_in(NATIVE_DIR, i), O_RDONLY | O_CLOEXEC);
	if (p->here >= 0 && p->native >= 0 && fstat(p->here, &a) == 0 &&
	    fstat(p->native, &b) == 0 && a.st_ino == b.st_ino)
		return;
	p->here = close_fd(p->here);
	p->native = close_fd(p->native);
}

static bool pair_agrees(const struct pair *p)
{
	struct stat a, b;

	if (p->here < 0)
		return true;
	a = fd_stat(p->here);
	b = fd_stat(p->native);
	return same(&a, &b);
}

static bool agree(const struct pair *pairs)
{
	for (unsigned int i = 0; i < NAMES; i++)
		if (!same_name(i) || !pair_agrees(&pairs[i]))
			return false;
	return list(MOUNT_DIR) == list(NATIVE_DIR);
}

/* The moment that it may take is not long: the limit is for a machine that is busy. */
/* Before what is cached ends by itself. */
#define PATIENCE_MS 6000

static void print_stat(const char *side, const struct stat *st)
{
	print_message(
		"%s: inode %lu mode %o links %lu size %ld blocks %ld mtime %ld.%09ld "
		"ctime %ld.%09ld\n",
		side, st->st_ino, st->st_mode, (unsigned long)st->st_nlink, st->st_size,
		st->st_blocks, st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

static void print_pair(const struct pair *p)
{
	struct stat here = fd_stat(p->here), native = fd_stat(p->native);

	print_stat("here  ", &here);
	print_stat("native", &native);
}

static void expect_agreement(unsigned long round, const struct pair *pairs)
{
	for (int ms = 0; ms < PATIENCE_MS; ms++) {
		if (agree(pairs))
			return;
		(void)poll(NULL, 0, 1);
	}
	for (unsigned int i = 0; i < NAMES; i++) {
		if (!pair_agrees(&pairs[i]))
			print_pair(&pairs[i]);
		if (!same_name(i) || !pair_agrees(&pairs[i]))
			fail_msg("round %lu: %c is stale by its %s", round, 'a' + i,
				 same_name(i) ? "descriptor" : "name");
	}
	fail_msg("round %lu: the listing is stale", round);
}

/*
 * New objects whose attributes change while they are looked up for the first time: the
 * kernel knows no node yet that it could be told of.
 */
static void change_new(unsigned int *seed)
{
	const char *name = name_in(NATIVE_DIR, pick(seed, NAMES));

	(void)unlink(name);
	close_fd(open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	for (unsigned int i = pick(seed, BURST); i > 0; i--)
		(void)truncate(name, i);
}

static void play(struct game *g, unsigned long round, unsigned int *seed)
{
	unsigned int burst = pick(seed, BURST) + 1;
	struct pair pairs[NAMES];

	for (unsigned int i = 0; i < NAMES; i++)
		pair_open(&pairs[i], i);
	for (unsigned int i = 0; i < burst && round % 2; i++)
		change(seed);
	if (round % 2 == 0)
		change_new(seed);
	set(&g->paused, true);
	while (__atomic_load_n(&g->resting, __ATOMIC_SEQ_CST) < READERS)
		(void)poll(NULL, 0, 1);
	expect_agreement(round, pairs);
	set(&g->paused, false);
	for (unsigned int i = 0; i < NAMES; i++) {
		close_fd(pairs[i].here);
		close_fd(pairs[i].native);
	}
	while (__atomic_load_n(&g->resting, __ATOMIC_SEQ_CST) > 0)
		(void)poll(NULL, 0, 1);
}

static void test_converges(void **state)
{
	struct game *g =
		must((struct game *)mmap(NULL, sizeof(*g), PROT_READ | PROT_WRITE,
					 MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	unsigned int seed = (unsigned int)getpid();
	time_t since = time(NULL);
	pid_t readers[READERS];
	int status;

	(void)state;
	mount_start("coherence=notify");
	fprintf(stderr, "seed %u\n", seed);
	for (unsigned int i = 0; i < READERS; i++) {
		readers[i] = must(fork());
		if (readers[i] == 0)
			read_on(g, seed + i + 1);
	}
	for (unsigned long i = 0; goes_on(i, since); i++)
		play(g, i, &seed);
	set(&g->over, true);
	for (int i = 0; i < READERS; i++) {
		assert_int_equal(must(waitpid(readers[i], &status, 0)), readers[i]);
		assert_int_equal(status, 0);
	}
	must(munmap(g, sizeof(*g)));
}

static int run(void)
{
	const struct CMUnitTest tests[] = { mount_test_unmounted(test_converges) };

	return cmocka_run_group_tests_name("converge", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(300, run);
}
