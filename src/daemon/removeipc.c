/* SPDX-License-Identifier: MIT */
/*
 * logind tells what it is set to on D-Bus only, which is more than a warning is worth. So
 * this reads what logind reads, in the order of logind.conf(5), as far as the one setting
 * goes: a file, and then the drop-ins of all folders by their names, of which the later
 * counts; of two with one name, that of the folder that comes first here.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/removeipc.h"
#include "util/cleanup.h"

static const char *const folders[] = {
	"/etc/systemd",
	"/run/systemd",
	"/usr/local/lib/systemd",
	"/usr/lib/systemd",
};

#define FOLDERS (sizeof(folders) / sizeof(folders[0]))

DEFINE_CLEANUP(FILE, file, fclose);
DEFINE_CLEANUP(DIR, dir, closedir);

/* Without white space before and behind it, which is cut off. */
static char *trim(char *text)
{
	size_t n;

	text += strspn(text, " \t\n\r");
	n = strlen(text);
	while (n > 0 && strchr(" \t\n\r", text[n - 1]))
		n--;
	text[n] = '\0';
	return text;
}

/* What is neither leaves @on as it is, as in systemd. */
static void take_boolean(const char *value, bool *on)
{
	static const char *const words[][6] = {
		{ "0", "no", "n", "false", "f", "off" },
		{ "1", "yes", "y", "true", "t", "on" },
	};

	for (int truth = 0; truth < 2; truth++)
		for (int i = 0; i < 6; i++)
			if (strcasecmp(value, words[truth][i]) == 0)
				*on = truth;
}

static void take_line(char *line, bool *in_section, bool *on)
{
	char *key = trim(line);
	char *value = strchr(key, '=');

	if (*key == '[')
		*in_section = strcmp(key, "[Login]") == 0;
	if (!*in_section || !value)
		return;
	*value++ = '\0';
	if (strcmp(trim(key), "RemoveIPC") == 0)
		take_boolean(trim(value), on);
}

/* Whether there is such a file, be it empty. */
static bool take_file(const char *root, const char *folder, const char *name, bool *on)
{
	_cleanup_(cleanup_file) FILE *f = NULL;
	_cleanup_free_ char *line = NULL;
	char path[PATH_MAX];
	bool in_section = false;
	size_t size = 0;

	snprintf(path, sizeof(path), "%s%s/%s", root, folder, name);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (getline(&line, &size, f) >= 0)
		take_line(line, &in_section, on);
	return true;
}

static void take_first(const char *root, const char *name, bool *on)
{
	for (size_t i = 0; i < FOLDERS; i++)
		if (take_file(root, folders[i], name, on))
			return;
}

static bool is_dropin(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' && n > 5 && strcmp(name + n - 5, ".conf") == 0;
}

/* Makes @next the least name in @path that comes after @last, if it is before @next. */
static void look_for_next(const char *path, const char *last, char next[NAME_MAX + 1])
{
	_cleanup_(cleanup_dir) DIR *dir = opendir(path);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (is_dropin(entry->d_name) && strcmp(entry->d_name, last) > 0 &&
		    (!*next || strcmp(entry->d_name, next) < 0))
			snprintf(next, NAME_MAX + 1, "%s", entry->d_name);
}

/* The name that comes after @last among those of all folders. There are few of them. */
static bool next_dropin(const char *root, char last[NAME_MAX + 1])
{
	char next[NAME_MAX + 1] = "";
	char path[PATH_MAX];

	for (size_t i = 0; i < FOLDERS; i++) {
		snprintf(path, sizeof(path), "%s%s/logind.conf.d", root, folders[i]);
		look_for_next(path, last, next);
	}
	memcpy(last, next, sizeof(next));
	return *last;
}

static bool exists(const char *root, const char *path)
{
	char all[PATH_MAX];

	snprintf(all, sizeof(all), "%s%s", root, path);
	return access(all, F_OK) == 0;
}

bool removeipc_is_on(const char *root)
{
	char name[NAME_MAX + 1] = "";
	char path[sizeof(name) + 16];
	bool on = true; /* what logind is built with */

	/* Of systemd, and of logind: neither is there for having been installed. */
	if (!exists(root, "/run/systemd/system") || !exists(root, "/run/systemd/seats"))
		return false;
	take_first(root, "logind.conf", &on);
	while (next_dropin(root, name)) {
		snprintf(path, sizeof(path), "logind.conf.d/%s", name);
		take_first(root, path, &on);
	}
	return on;
}

static bool is_native(const char *shm_dir)
{
	struct stat a, b;

	return stat(shm_dir, &a) == 0 && stat("/dev/shm", &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

bool removeipc_concerns(const struct options *o)
{
	if (o->allow_root && geteuid() == 0)
		return false;
	if (kind_has(o->kind, &kind_sysv) && !o->ipcns)
		return true;
	return kind_has(o->kind, &kind_posix) && is_native(o->shm_dir);
}
