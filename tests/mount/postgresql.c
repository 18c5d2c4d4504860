/* SPDX-License-Identifier: MIT */
/*
 * The server is started without Debian's wrappers, which would use the machine's own
 * directories. It says in its pid file which segment it has and whether it is ready.
 */
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"
#include "postgresql.h"
#include "util/cleanup.h"

#define SERVERS "/usr/lib/postgresql/*/bin/postgres"
#define DATA    POSTGRESQL_DIR "/data"
#define LOG     POSTGRESQL_DIR "/log"

/* The lines of the pid file that tell of the segment and of readiness. */
enum { SEGMENT_LINE = 7, READY_LINE = 8 };

static struct person user = { .name = "postgres" };
static char programs[256];
static pid_t server; /* 0: none */

/* Where the server is, of several versions whichever: programs of its own are beside it.
 */
static bool find_programs(void)
{
	glob_t found;

	if (glob(SERVERS, 0, NULL, &found) != 0)
		return false;
	snprintf(programs, sizeof(programs), "%s", found.gl_pathv[found.gl_pathc - 1]);
	*strrchr(programs, '/') = '\0';
	globfree(&found);
	return true;
}

const char *postgresql_missing(void)
{
	const struct passwd *entry = getpwnam(user.name);

	if (!find_programs())
		return "PostgreSQL is not installed";
	if (!entry)
		return "PostgreSQL has no user";
	user.uid = entry->pw_uid;
	user.gid = entry->pw_gid;
	return NULL;
}

const struct person *postgresql_user(void)
{
	return &user;
}

static void set_environment(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s:%s", programs, getenv("PATH"));
	must(setenv("PATH", path, 1));
	must(setenv("PGHOST", POSTGRESQL_DIR, 1));
	must(setenv("PGDATABASE", "postgres", 1));
	must(setenv("LC_ALL", "C", 1));
}

void postgresql_init(void)
{
	static const char *const argv[] = {
		"initdb",      "--pgdata=" DATA, "--auth=trust",
		"--no-locale", "--no-sync",      "--wal-segsize=1",
		NULL
	};
	struct outcome o;

	set_environment();
	must(mkdir(POSTGRESQL_DIR, 0755));
	must(chown(POSTGRESQL_DIR, user.uid, user.gid));
	o = command_run(&user, argv);
	if (o.status != 0)
		fail_msg("initdb: %s", o.err);
}

static int become_user(void)
{
	if (setgroups(0, NULL) < 0 || setresgid(user.gid, user.gid, user.gid) < 0)
		return -1;
	return setresuid(user.uid, user.uid, user.uid);
}

static _Noreturn void exec_as_user(const char *const argv[])
{
	int log = open(LOG, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (log < 0 || become_user() < 0)
		_exit(126);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

pid_t postgresql_spawn(const char *const argv[])
{
	pid_t pid = must(fork());

	if (pid == 0)
		exec_as_user(argv);
	return pid;
}

static _Noreturn void fail_with_log(const char *why)
{
	_cleanup_free_ char *line = NULL;
	FILE *log = fopen(LOG, "re");
	size_t size = 0;

	while (log && getline(&line, &size, log) > 0)
		print_error("%s", line);
	if (log)
		fclose(log);
	fail_msg("%s", why);
	abort();
}

/* Line @number of the pid file; false as long as it has none. */
static bool pid_line(int number, char *line, int size)
{
	FILE *file = fopen(DATA "/postmaster.pid", "re");
	bool found = file != NULL;

	for (int i = 0; found && i < number; i++)
		found = fgets(line, size, file) != NULL;
	if (file)
		fclose(file);
	return found;
}

static bool is_ready(void)
{
	char line[256];

	if (waitpid(server, NULL, WNOHANG) == server) {
		server = 0;
		fail_with_log("the server ended before it was ready");
	}
	return pid_line(READY_LINE, line, sizeof(line)) && strncmp(line, "ready", 5) == 0;
}

struct postgresql postgresql_start(const char *memory)
{
	char setting[40];
	/* Each query that can shall have helpers, which share POSIX segments. */
	const char *const argv[] = { "postgres",
				     "-D",
				     DATA,
				     "-k",
				     POSTGRESQL_DIR,
				     "-h",
				     "",
				     "-F",
				     "-c",
				     setting,
				     "-c",
				     "dynamic_shared_memory_type=posix",
				     "-c",
				     "shared_buffers=64MB",
				     "-c",
				     "autovacuum=off",
				     "-c",
				     "min_parallel_table_scan_size=0",
				     "-c",
				     "parallel_setup_cost=0",
				     "-c",
				     "parallel_tuple_cost=0",
				     NULL };
	struct postgresql started;
	unsigned long key = 0;
	char line[256];

	snprintf(setting, sizeof(setting), "shared_memory_type=%s", memory);
	server = postgresql_spawn(argv);
	await_that(is_ready());
	assert_true(pid_line(SEGMENT_LINE, line, sizeof(line)));
	assert_int_equal(sscanf(line, "%lu %d", &key, &started.shmid), 2);
	started.pid = server;
	started.key = (key_t)key;
	return started;
}

unsigned int postgresql_processes(void)
{
	unsigned int n = 1;
	char path[64];
	FILE *children;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)server,
		 (int)server);
	children = fopen(path, "re");
	assert_non_null(children);
	while (fscanf(children, "%*d") != EOF)
		n++;
	fclose(children);
	return n;
}

static void expect_no_complaint(void)
{
	static const char *const words[] = { "WARNING:", "ERROR:", "PANIC:",
					     "was terminated by" };
	_cleanup_free_ char *line = NULL;
	FILE *log = fopen(LOG, "re");
	bool good = true;
	size_t size = 0;

	assert_non_null(log);
	while (getline(&line, &size, log) > 0)
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			good = good && !strstr(line, words[i]);
	fclose(log);
	if (!good)
		fail_with_log("the server complained");
}

void postgresql_stop(void)
{
	int status = 0;

	must(kill(server, SIGINT));
	must(waitpid(server, &status, 0));
	server = 0;
	if (status != 0)
		fail_with_log("the server did not end well");
	expect_no_complaint();
	must(unlink(LOG));
}

void postgresql_kill(void)
{
	if (server == 0)
		return;
	kill(server, SIGQUIT);
	waitpid(server, NULL, 0);
	server = 0;
}
