/* SPDX-License-Identifier: MIT */
/* What logind is set to, read as logind does from files in a folder of the test's own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/removeipc.h"
#include "sandbox.h"
#include "util/cleanup.h"

#define ROOT "/tmp"

/* Makes the folders that lead to @path, below ROOT. */
static void make_folders(const char *path)
{
	char part[256];

	for (const char *p = path; (p = strchr(p + 1, '/'));) {
		snprintf(part, sizeof(part), ROOT "%.*s", (int)(p - path), path);
		assert_true(mkdir(part, 0755) == 0 || errno == EEXIST);
	}
}

static void write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = -1;
	char all[256];

	make_folders(path);
	snprintf(all, sizeof(all), ROOT "%s", path);
	fd = open(all, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* A machine where logind runs, with nothing set. */
static int begin(void **state)
{
	(void)state;
	sandbox_tmpfs(ROOT, NULL);
	make_folders("/run/systemd/system/");
	make_folders("/run/systemd/seats/");
	return 0;
}

static void test_on_unless_it_is_set(void **state)
{
	(void)state;
	assert_true(removeipc_is_on(ROOT));
	write_file("/etc/systemd/logind.conf", "[Login]\n#RemoveIPC=no\n;RemoveIPC=no\n");
	assert_true(removeipc_is_on(ROOT));
}

static void test_off_where_nobody_would_remove(void **state)
{
	(void)state;
	assert_int_equal(rmdir(ROOT "/run/systemd/seats"), 0);
	assert_false(removeipc_is_on(ROOT));
	assert_int_equal(mkdir(ROOT "/run/systemd/seats", 0755), 0);
	assert_int_equal(rmdir(ROOT "/run/systemd/system"), 0);
	assert_false(removeipc_is_on(ROOT));
}

static void test_values(void **state)
{
	static const char *const off[] = { "no", "0", "false", "OFF", "n", "f", " no\t" };
	static const char *const on[] = { "yes", "1", "", "nonsense", "not" };
	char text[64];

	(void)state;
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		snprintf(text, sizeof(text), " [Login] \n RemoveIPC =%s", off[i]);
		write_file("/etc/systemd/logind.conf", text);
		assert_false(removeipc_is_on(ROOT));
	}
	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++) {
		snprintf(text, sizeof(text), "[Login]\nRemoveIPC=%s\n", on[i]);
		write_file("/etc/systemd/logind.conf", text);
		assert_true(removeipc_is_on(ROOT));
	}
}

static void test_what_is_not_the_setting(void **state)
{
	(void)state;
	write_file("/etc/systemd/logind.conf",
		   "RemoveIPC=no\n[Other]\nRemoveIPC=no\n[Login]\nRemoveIPCs=no\n"
		   "removeipc=no\nRemoveIPC\n[Else]\nRemoveIPC=no\n");
	assert_true(removeipc_is_on(ROOT));
}

static void test_the_first_folder_has_the_file(void **state)
{
	(void)state;
	write_file("/usr/lib/systemd/logind.conf", "[Login]\nRemoveIPC=no\n");
	assert_false(removeipc_is_on(ROOT));
	write_file("/run/systemd/logind.conf", "[Login]\n");
	assert_true(removeipc_is_on(ROOT));
	write_file("/etc/systemd/logind.conf", "[Login]\nRemoveIPC=no\n");
	assert_false(removeipc_is_on(ROOT));
}

static void test_dropins_count_more_the_later_they_are(void **state)
{
	(void)state;
	write_file("/etc/systemd/logind.conf", "[Login]\nRemoveIPC=no\n");
	write_file("/etc/systemd/logind.conf.d/10-a.conf", "[Login]\nRemoveIPC=yes\n");
	assert_true(removeipc_is_on(ROOT));
	/* Whatever the folder is. */
	write_file("/usr/lib/systemd/logind.conf.d/20-b.conf", "[Login]\nRemoveIPC=no\n");
	assert_false(removeipc_is_on(ROOT));
	write_file("/run/systemd/logind.conf.d/15-c.conf", "[Login]\nRemoveIPC=yes\n");
	assert_false(removeipc_is_on(ROOT));
	write_file("/run/systemd/logind.conf.d/30-d.txt", "[Login]\nRemoveIPC=yes\n");
	write_file("/run/systemd/logind.conf.d/.40.conf", "[Login]\nRemoveIPC=yes\n");
	assert_false(removeipc_is_on(ROOT));
}

static void test_a_dropin_hides_those_of_its_name(void **state)
{
	(void)state;
	write_file("/usr/lib/systemd/logind.conf.d/a.conf", "[Login]\nRemoveIPC=no\n");
	assert_false(removeipc_is_on(ROOT));
	make_folders("/etc/systemd/logind.conf.d/");
	assert_int_equal(symlink("/dev/null", ROOT "/etc/systemd/logind.conf.d/a.conf"),
			 0);
	assert_true(removeipc_is_on(ROOT));
}

/* The tests are root, in a namespace of their own at least. */
static void test_concerns_what_is_here_and_for_users(void **state)
{
	char native[] = "/dev/shm", other[] = "/dev", pid[] = "1";
	struct options o = { .kind = &kind_posix, .shm_dir = native };

	(void)state;
	assert_true(removeipc_concerns(&o));
	o.allow_root = 1;
	assert_false(removeipc_concerns(&o));
	o.allow_root = 0;
	o.shm_dir = other;
	assert_false(removeipc_concerns(&o));
	o.kind = &kind_all;
	assert_true(removeipc_concerns(&o));
	o.ipcns = pid;
	assert_false(removeipc_concerns(&o));
	o.kind = &kind_sysv;
	o.shm_dir = NULL;
	assert_false(removeipc_concerns(&o));
	o.ipcns = NULL;
	assert_true(removeipc_concerns(&o));
}

#define TEST(name) cmocka_unit_test_setup(test_##name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(on_unless_it_is_set),
		TEST(off_where_nobody_would_remove),
		TEST(values),
		TEST(what_is_not_the_setting),
		TEST(the_first_folder_has_the_file),
		TEST(dropins_count_more_the_later_they_are),
		TEST(a_dropin_hides_those_of_its_name),
		TEST(concerns_what_is_here_and_for_users),
	};

	sandbox_enter();
	return cmocka_run_group_tests_name("removeipc", tests, NULL, NULL) != 0;
}
