/* SPDX-License-Identifier: MIT */
/*
 * The programs that everybody uses, on the mount and on a plain tmpfs of the same size:
 * their words, their status, and all that they leave behind must be the same. Each step
 * is a line of shell, run in the one directory and then in the other, so that no path is
 * ever named and the words need no editing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount.h"
#include "util/cleanup.h"

/* A directory elsewhere, for what comes from another file system or goes there. */
#define ELSEWHERE SCRATCH_DIR "/elsewhere"
#define AS_USER   "setpriv --reuid=1000 --regid=1000 --clear-groups -- "

/* Names, attributes, contents; times only of what was not just changed. */
static const char look[] =
	"\necho status $?\n"
	"find . -mindepth 1 -printf '%P %M %n %U:%G %s %b\\n' | sort\n"
	"find . -mindepth 1 ! -newermt '1 hour ago' -printf '%P %T@\\n' | sort\n"
	"find . -mindepth 1 -size -100000k -exec sha256sum {} + | sort -k 2\n"
	"getfattr -d -m 'user\\.' -- * 2>/dev/null\n"
	"df --output=size,used,avail,itotal,iused,iavail .\n";

static char *run_in(const char *dir, const char *step)
{
	_cleanup_free_ char *command = NULL;
	char *output = NULL;
	size_t length = 0;
	FILE *pipe;

	assert_true(asprintf(&command, "exec 2>&1; cd %s || exit; rm -rf %s/*; %s%s", dir,
			     ELSEWHERE, step, look) > 0);
	pipe = popen(command, "re");
	assert_non_null(pipe);
	if (getdelim(&output, &length, '\0', pipe) < 0)
		fail_msg("no output: %s", step);
	assert_int_equal(pclose(pipe), 0);
	return output;
}

static void compare(const char *const *steps)
{
	for (; *steps; steps++) {
		_cleanup_free_ char *mounted = run_in(MOUNT_DIR, *steps);
		_cleanup_free_ char *plain = run_in(PLAIN_DIR, *steps);

		if (strcmp(mounted, plain) == 0)
			continue;
		print_error("%s\n--- on the mount:\n%s--- on tmpfs:\n%s", *steps, mounted,
			    plain);
		fail();
	}
}

static void test_files(void **state)
{
	static const char *const steps[] = {
		"echo hello >a; cat a; wc -c a; cat a a a >b; xxd b; od -c b",
		"touch empty; touch -d '2001-02-03 04:05:06.789 UTC' a; touch -r a b",
		"touch -a -d '1999-01-01 UTC' a; stat -c '%n %s %b %B %a %A %F %h %u %g %X %Y' a",
		"ls; ls -a; ls -s; ls -l --time-style=+; ls -ln --time-style=+%s a b",
		"ls nothing; cat nothing; rm nothing; stat nothing; mv nothing a; touch nothing/a",
		"cp a c; cp -p a d; cp -a b e; cmp a c; cmp a b; stat -c '%Y %a' d e",
		"chmod 600 a; chmod u=rwx,go= b; chmod g=u,o+x c; stat -c '%a' a b",
		"chown 1000:1001 a; chown :2000 b; stat -c '%U %G %u %g' a b",
		"mv a moved; mv -n b moved; mv -f b moved; cat moved; ls",
		"rm moved; rm c d; ls; rm -rf ./*; ls -A",
		"printf 'one\\ntwo\\nthree\\n' | tee a b; head -n1 a; tail -n1 a; head -c5 b",
		"echo four | tee -a a; tail -c +5 a; tac a; sort -r a; sort -o a a; cat a",
		"sed -i s/two/zwei/ a; cat a; grep -c e a; sha256sum a b; md5sum b",
		"install -m 640 -o 1000 -g 1001 a c; install -p -m 444 a d; stat -c '%a %u' c d",
		"setfattr -n user.x -v 1 a; getfattr -n user.x a; cp -a a e; setfattr -x user.x a",
		"find . -type f -name '[ab]' | sort; find . -empty; find . -perm 640; find . -mindepth 1 -newer a",
		"f=$(mktemp -p .); echo x >\"$f\"; cat \"$f\"; rm \"$f\"; du -k a b",
		"flock -n a echo locked; flock a sh -c 'flock -n a true || echo busy'",
		"cp a 'name with spaces'; cp a \"$(printf 'line\\nbreak')\"; ls -b; rm *' '* line*",
		"shred -n 1 -z a; xxd a | head -n 3; shred -n 1 -u b; ls",
		"umask 077; echo x >f; umask 0; echo x >g; ls -l --time-style=+",
		"ln -s a \"$(printf %0300d 1)\"; touch \"$(printf %0255d 1)\"; ls; rm 0*; rm -f ./*",
		"mv -T . x; rmdir x; rm -d x; ls -d .; stat -c %a:%u:%g:%F .",
		NULL,
	};

	(void)state;
	compare(steps);
}

static void test_sizes(void **state)
{
	static const char *const steps[] = {
		"dd if=/dev/zero of=big bs=1M count=64 status=none; du -k big; rm big",
		"dd if=/dev/zero of=a bs=4k count=5 seek=3 status=noxfer; dd if=a bs=1 skip=9 "
		"count=3 2>/dev/null | xxd",
		"echo abc | dd of=a bs=1 seek=10000 conv=notrunc,fsync status=noxfer; cmp -l a a",
		"echo abc | dd of=a oflag=append conv=notrunc,fdatasync status=noxfer; tail -c 9 a | xxd",
		"truncate -s 1G a; ls -ls --time-style=+ a; truncate -s 10 a; xxd a",
		"truncate -s +5 a; truncate -s %4096 a; truncate -s -96 a; truncate -r a b; wc -c ?",
		"truncate -s 8E b; truncate -s 9223372036854775807 b; truncate -s -1 c; rm -f b c",
		"fallocate -l 1M f; fallocate -p -o 8k -l 64k f; fallocate -n -o 2M -l 4k f; stat -c "
		"'%s %b' f",
		"fallocate -z -l 4k f; fallocate -c -l 4k f; fallocate -i -l 4k f; fallocate -l 1G f",
		"head -c 300000 /dev/zero | tr '\\0' x >g; fallocate -d g; fallocate -p -l 200k g; "
		"stat -c '%s %b' g",
		"truncate -s 3M s; echo data | dd of=s bs=1 seek=1000000 conv=notrunc status=none; "
		"cp --sparse=always s t; cp --sparse=never s u; cp s v; cp --reflink=always s w; "
		"stat -c '%n %s %b' s t u v; cmp s t; cmp s u",
		"cp s " ELSEWHERE "/s; cp --sparse=always " ELSEWHERE
		"/s x; stat -c '%s %b' x",
		"rm -f f g t u v w; split -b 1M s part.; ls; cat part.* | cmp - s; rm part.*",
		"mv s " ELSEWHERE "/; stat -c '%s %b' " ELSEWHERE "/s; mv " ELSEWHERE
		"/s s",
		"touch -d '2001-02-03 UTC' a s x; tar cf t.tar a s x; tar cSf u.tar a s x; sha256sum "
		"*.tar; touch -d '2002-01-01 UTC' *.tar",
		"tar tvf t.tar; rm a s x; tar xf t.tar; tar df u.tar; rm a s x; tar xf u.tar",
		"tar cf " ELSEWHERE "/t.tar a x; rm a; tar xpf " ELSEWHERE
		"/t.tar; rm ./*",
		NULL,
	};

	(void)state;
	compare(steps);
}

static void test_full(void **state)
{
	static const char *const steps[] = {
		"dd if=/dev/zero of=full bs=1M status=noxfer",
		"echo more >more; cat more; rm more",
		"cp full copy; stat -c '%s %b' copy; rm copy",
		"dd if=/dev/zero of=full bs=1 count=1 seek=200M conv=notrunc status=noxfer",
		"fallocate -l 8k room; stat -c '%s %b' room; truncate -s 8k room; stat -c '%s %b' room",
		"dd if=/dev/zero of=room bs=4k count=1 conv=notrunc status=noxfer; mv room space",
		"truncate -s -6k full; dd if=/dev/zero of=space bs=3000 count=9 status=noxfer",
		"cp full " ELSEWHERE "/f; tar cf t.tar -C " ELSEWHERE
		" f; rm t.tar; mv " ELSEWHERE "/f f; ls -s f; rm f",
		"truncate -s 60M full; head -c 10M /dev/zero | tee x | wc -c; install full y; split "
		"-b 1M full z.; ls -s; rm x y z.*",
		"truncate -s 1M full; touch -d 2001-01-01 full; cp full copy; cmp full copy; tar cf t.tar full; rm full; tar xf "
		"t.tar; ls -s",
		"df --output=used . | tail -n1; rm -f ./*; df --output=used . | tail -n1",
		NULL,
	};

	(void)state;
	compare(steps);
}

static void test_another_user(void **state)
{
	static const char *const steps[] = {
		"echo root >root; chmod 644 root; echo secret >secret; chmod 600 secret",
		AS_USER
		"sh -c 'cat root secret; echo x >root; rm -f root; mv root mine; ls'",
		AS_USER
		"sh -c 'echo me >mine; chmod 640 mine; chown 0 mine; chgrp 0 mine'",
		AS_USER
		"sh -c 'touch root; touch -d 2001-01-01 root; chmod 666 root secret'",
		AS_USER
		"sh -c 'cp -p root copy; cp -a root all; cp secret no; stat -c \"%a %u %g\" *'",
		AS_USER
		"sh -c 'test -r secret || echo no; test -w root || echo no; test -x mine'",
		AS_USER
		"sh -c 'truncate -s 0 root secret mine; setfattr -n user.a -v b root mine'",
		AS_USER
		"sh -c 'tar cf t.tar root mine secret; tar xf t.tar; rm -f ./*; ls'",
		"ls -ln --time-style=+; rm -f ./*",
		NULL,
	};

	(void)state;
	if (!mount_privileged())
		skip();
	compare(steps);
}

/* Both as small, so that 64 MiB fit and 100 do not. */
static int setup(void **state)
{
	static const char *const dirs[] = { NATIVE_DIR, PLAIN_DIR };

	mount_setup_dirs(state);
	for (int i = 0; i < 2; i++)
		must(mount("shmfs-test", dirs[i], NULL, MS_REMOUNT | MS_NOSUID | MS_NODEV,
			   "mode=1777,size=80m,nr_inodes=1000"));
	if (mkdir(ELSEWHERE, 0777) < 0)
		assert_int_equal(errno, EEXIST);
	mount_start(NULL);
	return 0;
}

#define steps_test(function) \
	cmocka_unit_test_setup_teardown(function, setup, mount_teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		steps_test(test_files),
		steps_test(test_sizes),
		steps_test(test_full),
		steps_test(test_another_user),
	};

	setenv("LC_ALL", "C.UTF-8", 1);
	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests_name("coreutils", tests, NULL, NULL);
}

int main(void)
{
	return mount_main(90, run);
}
