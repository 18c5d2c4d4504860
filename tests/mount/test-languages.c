/* SPDX-License-Identifier: MIT */
/*
 * Two of the rings of contrib/examples talk to each other, in both directions:
 *
 *	test-languages NAME HOW WORD... -- NAME HOW WORD... --
 *
 * NAME is the language, the words start its program, and HOW is what that does: native
 * (it takes the name of the object), maps or reads (it takes the file of the mount).
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "files.h"
#include "mount.h"

/* Several times as many texts as slots. Together they fit in what a command prints. */
#define TEXTS    60
#define TEXT_MAX 252
#define SIZE     4096

struct program {
	const char *name;
	const char *how;
	char **words;
	size_t n;
};

static struct program programs[2];

static char texts[TEXTS][TEXT_MAX + 2];
static char lines[4096];

static bool does(const struct program *p, const char *how)
{
	return strcmp(p->how, how) == 0;
}

static const char *place(const struct program *p)
{
	return does(p, "native") ? "ring" : MOUNT_DIR "/ring";
}

/* One as long as can be, in two bytes a letter; one without a byte; and the rest. */
static void make_texts(void)
{
	for (int i = 0; i < TEXTS; i++)
		snprintf(texts[i], sizeof(texts[i]), "%d%*s", i, 1 + i * 37 % 60, "|");
	for (size_t i = 0; i < TEXT_MAX; i += 2)
		memcpy(texts[10] + i, "\xc3\xa9", 3);
	texts[20][0] = '\0';
	for (int i = 0; i < TEXTS; i++) {
		strcat(lines, texts[i]);
		strcat(lines, "\n");
	}
}

/* The command line of @p, to be freed: @verb and up to @n words behind it. */
static const char **command(const struct program *p, const char *verb,
			    const char *const *words, size_t n)
{
	const char **argv = calloc(p->n + n + 3, sizeof(*argv));
	size_t k = 0;

	assert_non_null(argv);
	for (size_t i = 0; i < p->n; i++)
		argv[k++] = p->words[i];
	argv[k++] = verb;
	argv[k++] = place(p);
	for (size_t i = 0; i < n; i++)
		argv[k++] = words[i];
	return argv;
}

static struct outcome play(const struct program *p, const char *verb, const char *word)
{
	const char **argv = command(p, verb, &word, 1);
	struct outcome o = command_run(NULL, argv);

	free(argv);
	return o;
}

/* It ends with @status, and has printed no more than @out and @err. */
static void plays(const struct program *p, const char *verb, const char *word, int status,
		  const char *out, const char *err)
{
	struct outcome o = play(p, verb, word);

	if (o.status != status || strcmp(o.out, out) != 0 || strcmp(o.err, err) != 0)
		fail_msg("%s %s: status %d (not %d)\n%s%s(not:)\n%s%s", p->name, verb,
			 o.status, status, o.out, o.err, out, err);
}

static pid_t start_sender(const struct program *p)
{
	const char *words[TEXTS];
	const char **argv;
	pid_t pid;

	for (int i = 0; i < TEXTS; i++)
		words[i] = texts[i];
	argv = command(p, "send", words, TEXTS);
	pid = must(fork());
	if (pid == 0) {
		execv(argv[0], (char *const *)argv);
		perror(argv[0]);
		_exit(127);
	}
	free(argv);
	return pid;
}

/* At the same time: the sender has to wait for the receiver, again and again. */
static void talk(const struct program *sender, const struct program *receiver)
{
	pid_t pid = start_sender(sender);
	char count[12];
	int status;

	snprintf(count, sizeof(count), "%d", TEXTS);
	plays(receiver, "receive", count, 0, lines, "");
	must(waitpid(pid, &status, 0));
	if (status != 0)
		fail_msg("%s send: status %#x", sender->name, (unsigned int)status);
}

static void test_there_and_back(void **state)
{
	(void)state;
	talk(&programs[0], &programs[1]);
	talk(&programs[1], &programs[0]);
	assert_int_equal(file_stat(NATIVE_DIR, "ring").st_size, SIZE);
}

/* What was sent waits in the object when the sender is gone. */
static void test_later(void **state)
{
	char rest[TEXT_MAX + 8];

	(void)state;
	plays(&programs[1], "send", "first", 0, "", "");
	plays(&programs[1], "send", texts[10], 0, "", "");
	plays(&programs[0], "receive", "1", 0, "first\n", "");
	plays(&programs[0], "send", "last", 0, "", "");
	snprintf(rest, sizeof(rest), "%s\nlast\n", texts[10]);
	plays(&programs[1], "receive", "2", 0, rest, "");
}

static void check_no_ring(const struct program *p)
{
	char line[128];

	snprintf(line, sizeof(line), "ring: %s is no ring of version 1\n", place(p));
	file_make(NATIVE_DIR, "ring", 0600, "something else");
	plays(p, "send", "text", 1, "", line);
	file_expect(NATIVE_DIR, "ring", "something else");
	file_make(NATIVE_DIR, "ring", 0600, "\a");
	must(truncate(NATIVE_DIR "/ring", SIZE));
	plays(p, "receive", "1", 1, "", line);
	must(unlink(NATIVE_DIR "/ring"));
}

static void check_usage(const struct program *p, const char *what)
{
	char line[128];

	snprintf(line, sizeof(line),
		 "usage: ring send %s TEXT... | ring receive %s COUNT\n", what, what);
	plays(p, "listen", "1", 2, "", line);
}

/* What is no ring stays as it is, and what does not fit is not sent. */
static void test_mistakes(void **state)
{
	char long_text[TEXT_MAX + 2];

	(void)state;
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	for (size_t i = 0; i < 2; i++) {
		check_no_ring(&programs[i]);
		plays(&programs[i], "send", long_text, 1, "",
		      "ring: a text has at most 252 bytes\n");
		refused(access(NATIVE_DIR "/ring", F_OK), ENOENT);
		check_usage(&programs[i], does(&programs[i], "native") ? "NAME" : "FILE");
	}
}

static void test_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		if (!does(&programs[i], "maps"))
			continue;
		plays(&programs[i], "send", "text", 1, "",
		      "ring: " MOUNT_DIR "/ring cannot be mapped: its mount is in direct "
		      "mode (see shmfs(1)); read and write it, as ring.pl does\n");
	}
}

static int run(void)
{
	const struct CMUnitTest talks[] = {
		mount_test(test_there_and_back),
		mount_test(test_later),
		mount_test(test_mistakes),
	};
	const struct CMUnitTest refusal[] = { mount_test(test_refused) };
	bool maps = does(&programs[0], "maps") || does(&programs[1], "maps");

	if (maps && !mount_passthrough())
		return cmocka_run_group_tests_name("refusal", refusal, NULL, NULL);
	return cmocka_run_group_tests_name("languages", talks, NULL, NULL);
}

/* Takes one program from the arguments; returns what is behind it. */
static char **take_program(char **argv, struct program *ret)
{
	ret->name = *argv++;
	ret->how = *argv++;
	ret->words = argv;
	while (strcmp(argv[ret->n], "--") != 0)
		ret->n++;
	return argv + ret->n + 1;
}

int main(int argc, char **argv)
{
	if (argc < 9)
		return 1;
	take_program(take_program(argv + 1, &programs[0]), &programs[1]);
	/* Java takes the encoding of its arguments from there. */
	setenv("LC_ALL", "C.UTF-8", 1);
	make_texts();
	return mount_main(60, run);
}
