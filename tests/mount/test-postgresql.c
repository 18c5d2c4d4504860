/* SPDX-License-Identifier: MIT */
/*
 * A real server with real segments of both kinds: what the mount tells of them must be
 * what the kernel and the server itself tell, and the server must not notice that they
 * are read while it works.
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "postgresql.h"
#include "sandbox.h"
#include "util/cleanup.h"

#define SYSV_DIR  MOUNT_DIR "/sysv"
#define POSIX_DIR MOUNT_DIR "/posix"

/* What each of its System V segments begins with; it is the same in all versions. */
struct header {
	int32_t magic;
	int32_t creator;
	uint64_t total;
	uint64_t free;
	uint32_t control; /* the number in the name of a POSIX segment */
};

enum { HEADER_MAGIC = 679834894 };

static const struct person nobody = { "nobody", 65534, 65534, 0, { 0 } };

/* The columns of /proc/sysvipc/shm. */
enum column {
	KEY,
	SHMID,
	PERMS,
	SIZE,
	CPID,
	LPID,
	NATTCH,
	UID,
	GID,
	CUID,
	CGID,
	ATIME,
	DTIME,
	CTIME,
	RSS,
	SWAP,
	COLUMNS
};

/* Most are those of attributes, too. */
static const char *const column_names[COLUMNS] = {
	"key", "shmid", "perms", "size",  "cpid",  "lpid",  "nattch", "uid",
	"gid", "cuid",  "cgid",  "atime", "dtime", "ctime", "rss",    "swap",
};

struct row {
	int64_t columns[COLUMNS];
};

static bool parse_row(const char *line, struct row *ret)
{
	char *end;

	for (int i = 0; i < COLUMNS; i++) {
		ret->columns[i] = strtoll(line, &end, i == PERMS ? 8 : 10);
		if (end == line)
			return false;
		line = end;
	}
	return true;
}

/* What the kernel tells of segment @shmid. */
static struct row row_of(int shmid)
{
	FILE *file = fopen("/proc/sysvipc/shm", "re");
	struct row row = { { 0 } };
	bool found = false;
	char line[512];

	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file))
		found = parse_row(line, &row) && row.columns[SHMID] == shmid;
	fclose(file);
	assert_true(found);
	return row;
}

static int64_t attribute(const char *path, const char *name)
{
	char full[64];
	char text[64] = "";
	char *end;
	int64_t value;

	snprintf(full, sizeof(full), "user.shmfs.%s", name);
	must(getxattr(path, full, text, sizeof(text) - 1));
	value = strtoll(text, &end, 0);
	assert_true(end != text && *end == '\0');
	return value;
}

/* What the mount tells of the file at @path, in the same form. */
static struct row row_on_mount(const char *path)
{
	struct row row = { { 0 } };
	struct stat st;

	must(stat(path, &st));
	assert_true(S_ISREG(st.st_mode));
	for (int i = 0; i < COLUMNS; i++)
		if (i == PERMS)
			row.columns[i] = st.st_mode & 07777;
		else if (i == SIZE)
			row.columns[i] = st.st_size;
		else if (i == UID)
			row.columns[i] = st.st_uid;
		else if (i == GID)
			row.columns[i] = st.st_gid;
		else
			row.columns[i] = attribute(path, column_names[i]);
	return row;
}

/* Both are asked until nothing has happened between. Returns what they agreed on. */
static struct row expect_same_row(const char *path, int shmid)
{
	struct row before, seen, after;

	do {
		before = row_of(shmid);
		seen = row_on_mount(path);
		after = row_of(shmid);
	} while (memcmp(&before, &after, sizeof(before)) != 0);
	for (int i = 0; i < COLUMNS; i++)
		if (seen.columns[i] != before.columns[i])
			fail_msg("%s is %" PRId64 ", not %" PRId64, column_names[i],
				 seen.columns[i], before.columns[i]);
	return before;
}

/* What ipcs(1) tells; it knows users by name. */
static void expect_ipcs(int shmid, const struct row *row)
{
	struct outcome o = command_run(NULL, (const char *[]){ "ipcs", "-m", NULL });
	char *rest = NULL;
	char expected[128];
	char found[128] = "";

	snprintf(expected, sizeof(expected),
		 "%d postgres %" PRIo64 " %" PRId64 " %" PRId64, shmid,
		 row->columns[PERMS], row->columns[SIZE], row->columns[NATTCH]);
	for (char *line = strtok_r(o.out, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		char words[5][24];

		if (sscanf(line, "0x%*x %23s %23s %23s %23s %23s", words[0], words[1],
			   words[2], words[3], words[4]) != 5 ||
		    strtol(words[0], NULL, 10) != shmid)
			continue;
		snprintf(found, sizeof(found), "%s %s %s %s %s", words[0], words[1],
			 words[2], words[3], words[4]);
	}
	assert_string_equal(found, expected);
}

/* The server has forked all that it wants when as many are attached as it has processes.
 */
static void await_settled(int shmid)
{
	await_that(row_of(shmid).columns[NATTCH] == postgresql_processes());
}

/* What is on the mount is what the server made and the kernel tells, and it is its own.
 */
static void expect_segment(const struct postgresql *pg, const char *path, uint64_t size)
{
	const struct person *user = postgresql_user();
	struct row row;

	await_settled(pg->shmid);
	row = expect_same_row(path, pg->shmid);
	assert_int_equal(row.columns[KEY], pg->key);
	assert_int_equal(row.columns[CPID], pg->pid);
	assert_int_equal(row.columns[UID], user->uid);
	assert_int_equal(row.columns[GID], user->gid);
	assert_int_equal(row.columns[PERMS], 0600);
	assert_int_equal(row.columns[NATTCH], postgresql_processes());
	if (size)
		assert_int_equal(row.columns[SIZE], size);
	else
		assert_true(row.columns[SIZE] > 64 << 20);
	expect_ipcs(pg->shmid, &row);
}

/* Whoever has the file open counts once, however many they are. */
static void expect_open_counts(const struct postgresql *pg, const char *path)
{
	int64_t before = row_of(pg->shmid).columns[NATTCH];
	int fd = must(open(path, O_RDONLY | O_CLOEXEC));
	int again = must(open(path, O_RDONLY | O_CLOEXEC));

	assert_int_equal(expect_same_row(path, pg->shmid).columns[NATTCH], before + 1);
	close_fd(again);
	close_fd(fd);
	await_that(row_of(pg->shmid).columns[NATTCH] == before);
}

static int is_visible(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

/* The names in @dir, one a line and in order, to be freed. */
static char *list(const char *dir)
{
	struct dirent **entries;
	int n = must(scandir(dir, &entries, is_visible, alphasort));
	char *names = NULL;
	FILE *out;
	size_t size;

	out = open_memstream(&names, &size);
	assert_non_null(out);
	for (int i = 0; i < n; i++) {
		fprintf(out, "%s\n", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	fclose(out);
	return names;
}

static void expect_list(const char *dir, const char *expected)
{
	_cleanup_free_ char *names = list(dir);

	assert_string_equal(names, expected);
}

/* The POSIX segments are those of the server, and the attributes are the native ones. */
static void expect_posix(const struct header *header)
{
	_cleanup_free_ char *native = list(NATIVE_DIR);
	char *rest = NULL;
	char control[32];

	snprintf(control, sizeof(control), "PostgreSQL.%" PRIu32, header->control);
	assert_non_null(strstr(native, control));
	expect_list(POSIX_DIR, native);
	for (char *name = strtok_r(native, "\n", &rest); name;
	     name = strtok_r(NULL, "\n", &rest)) {
		struct stat a = file_stat(NATIVE_DIR, name);
		struct stat b = file_stat(POSIX_DIR, name);

		assert_int_equal(b.st_uid, postgresql_user()->uid);
		assert_int_equal(b.st_gid, postgresql_user()->gid);
		assert_int_equal(b.st_mode, S_IFREG | 0600);
		assert_int_equal(b.st_size, a.st_size);
		assert_int_equal(b.st_mode, a.st_mode);
		assert_int_equal(b.st_uid, a.st_uid);
		assert_int_equal(b.st_gid, a.st_gid);
		assert_int_equal(b.st_ino, a.st_ino);
	}
}

/* The server wrote it itself: read through the mount it is what it is natively. */
static struct header expect_header(const struct postgresql *pg, const char *path)
{
	_cleanup_close_ int fd = must(open(path, O_RDONLY | O_CLOEXEC));
	struct header header;
	void *native;

	assert_int_equal(must(read(fd, &header, sizeof(header))), sizeof(header));
	native = must(shmat(pg->shmid, NULL, SHM_RDONLY));
	assert_memory_equal(&header, native, sizeof(header));
	must(shmdt(native));
	assert_int_equal(header.magic, HEADER_MAGIC);
	assert_int_equal(header.creator, pg->pid);
	return header;
}

struct refusal {
	const char *name; /* of a POSIX segment */
	const char *path; /* of the System V segment */
	int shmid;
};

/* 0: each of the ways to the segments is refused with EACCES. */
static int try_segments(const void *arg)
{
	const struct refusal *r = arg;

	if (shmat(r->shmid, NULL, SHM_RDONLY) != (void *)-1 || errno != EACCES)
		return -1;
	if (open(r->path, O_RDONLY) >= 0 || errno != EACCES)
		return -2;
	if (open(at(NATIVE_DIR, r->name), O_RDONLY) >= 0 || errno != EACCES)
		return -3;
	if (open(at(POSIX_DIR, r->name), O_RDONLY) >= 0 || errno != EACCES)
		return -4;
	return 0;
}

/* 0: each of the ways to the segments is open. */
static int use_segments(const void *arg)
{
	const struct refusal *r = arg;

	if (shmat(r->shmid, NULL, SHM_RDONLY) == (void *)-1)
		return -1;
	if (open(r->path, O_RDWR) < 0 || open(at(POSIX_DIR, r->name), O_RDWR) < 0)
		return -2;
	return 0;
}

static void expect_rights(const struct postgresql *pg, const char *path,
			  const struct header *header)
{
	char name[32];
	struct refusal r = { name, path, pg->shmid };

	snprintf(name, sizeof(name), "PostgreSQL.%" PRIu32, header->control);
	assert_int_equal(person_do(&nobody, try_segments, &r), 0);
	assert_int_equal(person_do(postgresql_user(), use_segments, &r), 0);
}

/* Reads the file to its end. Returns how much that was, or -1 where it is gone. */
static int64_t read_all(const char *path)
{
	static char buf[1 << 20];
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	int64_t all = 0;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return -1;
	must(fd);
	while ((n = must(read(fd, buf, sizeof(buf)))) > 0)
		all += n;
	return all;
}

/* Reads all POSIX segments that there are just now. Returns how many that were. */
static unsigned int read_posix(void)
{
	_cleanup_free_ char *names = list(POSIX_DIR);
	unsigned int n = 0;
	char *rest = NULL;

	for (char *name = strtok_r(names, "\n", &rest); name;
	     name = strtok_r(NULL, "\n", &rest))
		n += read_all(at(POSIX_DIR, name)) >= 0;
	return n;
}

/*
 * Reads all segments over and over until the clients are done. Queries with helpers must
 * have shown more POSIX segments than there are without; helpers of what was done before
 * may be there yet when this begins.
 */
static void read_while_working(const char *path, pid_t clients)
{
	const int64_t size = file_stat("/", path).st_size;
	unsigned int fewest = sandbox_count_entries(POSIX_DIR);
	unsigned int most = 0, rounds = 0;
	int status = 0;

	while (must(waitpid(clients, &status, WNOHANG)) == 0) {
		unsigned int n = read_posix();

		assert_int_equal(read_all(path), size);
		most = n > most ? n : most;
		fewest = n < fewest ? n : fewest;
		rounds++;
	}
	assert_int_equal(status, 0);
	assert_true(rounds > 1);
	if (most <= fewest)
		fail_msg("never more than %u POSIX segments in %u rounds", most, rounds);
}

/* What @sql says, which must succeed. */
static void expect_sql(const char *sql, const char *expected)
{
	struct outcome o = command_run(postgresql_user(),
				       (const char *[]){ "psql", "-XAtqc", sql, NULL });

	if (o.status != 0)
		fail_msg("psql: %s", o.err);
	assert_string_equal(o.out, expected);
}

static void write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = must(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644));

	assert_int_equal(must(write(fd, text, strlen(text))), strlen(text));
}

#define QUERY POSTGRESQL_DIR "/query"

/* Its clients write and count, and what they wrote has to be there in the end. */
static void work(const char *path)
{
	static const char *const make[] = { "pgbench", "-q", "-i", NULL };
	static const char *const run[] = { "pgbench", "-n",        "-c", "2",   "-T", "3",
					   "-b",      "tpcb-like", "-f", QUERY, NULL };
	struct outcome o = command_run(postgresql_user(), make);

	if (o.status != 0)
		fail_msg("pgbench: %s", o.err);
	write_text(QUERY, "SELECT count(*), pg_sleep(0.01) FROM pgbench_accounts;\n");
	read_while_working(path, postgresql_spawn(run));
	expect_sql("SELECT count(*) > 0, sum(delta) = (SELECT sum(abalance) FROM "
		   "pgbench_accounts) FROM pgbench_history",
		   "t|t\n");
}

/* A segment that is open outlives the server, under another name, and then goes as well.
 */
static void stop_while_open(const struct postgresql *pg, const char *path)
{
	int fd = must(open(path, O_RDONLY | O_CLOEXEC));
	char left[32];

	snprintf(left, sizeof(left), "id-%d\n", pg->shmid);
	postgresql_stop();
	expect_list(SYSV_DIR, left);
	expect_list(POSIX_DIR, "");
	assert_true(fd_stat(fd).st_size > 0);
	close_fd(fd);
	await_that(sandbox_count_entries(SYSV_DIR) == 0);
}

static void check_server(const char *memory, uint64_t size)
{
	const struct postgresql pg = postgresql_start(memory);
	struct header header;
	char path[64];
	char name[32];

	snprintf(name, sizeof(name), "0x%08x", (unsigned int)pg.key);
	snprintf(path, sizeof(path), SYSV_DIR "/%s", name);
	expect_segment(&pg, path, size);
	expect_open_counts(&pg, path);
	header = expect_header(&pg, path);
	expect_posix(&header);
	expect_rights(&pg, path, &header);
	work(path);
	await_settled(pg.shmid);
	expect_list(SYSV_DIR, strcat(name, "\n"));
	stop_while_open(&pg, path);
}

/* All of its System V memory is a small segment, by which it knows whether it runs. */
static void test_mmap(void **state)
{
	(void)state;
	check_server("mmap", 56);
}

static void test_sysv(void **state)
{
	(void)state;
	check_server("sysv", 0);
}

static int init(void **state)
{
	(void)state;
	postgresql_init();
	return 0;
}

static int setup(void **state)
{
	mount_setup_dirs(state);
	mount_start("kind=all");
	return 0;
}

static int teardown(void **state)
{
	postgresql_kill();
	return mount_teardown(state);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_mmap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sysv, setup, teardown),
	};

	return cmocka_run_group_tests_name("postgresql", tests, init, NULL);
}

int main(void)
{
	const char *missing = postgresql_missing();

	if (missing) {
		fprintf(stderr, "postgresql: skipped: %s\n", missing);
		return SANDBOX_SKIP;
	}
	return mount_main(120, run);
}
