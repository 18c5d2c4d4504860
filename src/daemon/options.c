/* SPDX-License-Identifier: MIT */
/*
 * The command line, in the form that mount(8) and fstab use as well. Every option is
 * known here by name: a misspelt one is refused before anything is mounted.
 */
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/options.h"

#define VALUE(name, member, value)                            \
	{                                                     \
		name, offsetof(struct options, member), value \
	}
#define OPTION(name, member) VALUE(name, member, 1)
/* As FUSE_OPT_KEY(), whose conversion clang warns of. */
#define KEY(name, key)                        \
	{                                     \
		name, (unsigned long)-1U, key \
	}
#define FLAG_FOR_FUSE(name) KEY(name, FUSE_OPT_KEY_KEEP)
#define IGNORED(name)       KEY(name, FUSE_OPT_KEY_DISCARD)

/* Microseconds. */
#define POLL_DEFAULT_US 100
#define POLL_MAX_US     1000

static const struct fuse_opt templates[] = {
	OPTION("kind=%s", kind_name),
	OPTION("shm_dir=%s", shm_dir),
	OPTION("ipcns=%s", ipcns),
	OPTION("passthrough=%s", passthrough_name),
	OPTION("coherence=%s", coherence_name),
	OPTION("restart=%s", restart_name),
	OPTION("reserve", reserve),
	OPTION("remount", remount),
	OPTION("poll=%s", poll_text),
	OPTION("-f", foreground),
	OPTION("-d", debug),
	OPTION("debug", debug),
	OPTION("-h", show_help),
	OPTION("--help", show_help),
	OPTION("-V", show_version),
	OPTION("--version", show_version),

	/* What libfuse and the kernel understand. */
	OPTION("max_read=%s", max_read_text),
	OPTION("fsname=%s", fsname),
	OPTION("subtype=%s", subtype),
	VALUE("ro", writable, 0),
	FLAG_FOR_FUSE("ro"),
	VALUE("rw", writable, 1),
	FLAG_FOR_FUSE("rw"),
	VALUE("exec", executable, 1),
	FLAG_FOR_FUSE("exec"),
	VALUE("noexec", executable, 0),
	FLAG_FOR_FUSE("noexec"),
	FLAG_FOR_FUSE("sync"),
	FLAG_FOR_FUSE("async"),
	FLAG_FOR_FUSE("dirsync"),
	VALUE("noatime", noatime, 1),
	FLAG_FOR_FUSE("noatime"),
	OPTION("allow_other", allow_other),
	OPTION("allow_root", allow_root),
	FLAG_FOR_FUSE("auto_unmount"),
	FLAG_FOR_FUSE("default_permissions"),

	/* What mount(8) takes from the mount table to mount anew. */
	OPTION("user_id=", of_table),
	OPTION("group_id=", of_table),

	/* Always in force here; mount.fuse3 passes the contrary on its own account. */
	IGNORED("nosuid"),
	IGNORED("nodev"),
	IGNORED("suid"),
	IGNORED("dev"),
	/* What only mount(8) and systemd read in fstab. */
	VALUE("atime", noatime, 0),
	IGNORED("relatime"),
	IGNORED("norelatime"),
	IGNORED("strictatime"),
	IGNORED("nostrictatime"),
	IGNORED("diratime"),
	IGNORED("nodiratime"),
	IGNORED("lazytime"),
	IGNORED("nolazytime"),
	IGNORED("comment="),
	IGNORED("defaults"),
	IGNORED("auto"),
	IGNORED("noauto"),
	IGNORED("nofail"),
	IGNORED("user"),
	IGNORED("users"),
	IGNORED("nouser"),
	IGNORED("owner"),
	IGNORED("group"),
	IGNORED("_netdev"),
	IGNORED("x-"),
	FUSE_OPT_END,
};

/* libfuse says it by itself, of what it allocates. */
static int no_memory(void)
{
	log_error("options: %s", strerror(ENOMEM));
	return -ENOMEM;
}

static int unknown(const char *arg)
{
	char text[64];

	snprintf(text, sizeof(text), "%s=", arg);
	if (!strchr(arg, '=') && fuse_opt_match(templates, text))
		log_error("option '%s' needs a value: see 'shmfs --help'", arg);
	else
		log_error("unknown option '%s': see 'shmfs --help' for those there are",
			  arg);
	return -1;
}

/* SOURCE and MOUNTPOINT, in this order where there are two. */
static int positional(struct options *o, const char *arg)
{
	if (o->source) {
		log_error("one argument too many: '%s'; usage: shmfs [SOURCE] MOUNTPOINT",
			  arg);
		return -1;
	}
	o->source = o->mountpoint;
	o->mountpoint = strdup(arg);
	if (o->mountpoint)
		return 0;
	no_memory();
	return -1;
}

static int take(void *data, const char *arg, int key, struct fuse_args *out)
{
	(void)out;
	if (key == FUSE_OPT_KEY_NONOPT)
		return positional(data, arg);
	/* "x-" stands for all of its family; nothing is what stands behind a last comma.
	 */
	if (!*arg || strncmp(arg, "x-", 2) == 0)
		return 0;
	return unknown(arg);
}

static int check_passthrough(struct options *o)
{
	const char *name = o->passthrough_name;

	if (!name || strcmp(name, "auto") == 0)
		o->passthrough = PASSTHROUGH_AUTO;
	else if (strcmp(name, "require") == 0)
		o->passthrough = PASSTHROUGH_REQUIRE;
	else if (strcmp(name, "off") == 0)
		o->passthrough = PASSTHROUGH_OFF;
	else {
		log_error("passthrough=%s: must be auto, require or off", name);
		return -EINVAL;
	}
	return 0;
}

static int check_coherence(struct options *o)
{
	const char *name = o->coherence_name;

	if (!name || strcmp(name, "strict") == 0)
		o->coherence = COHERENCE_STRICT;
	else if (strcmp(name, "notify") == 0)
		o->coherence = COHERENCE_NOTIFY;
	else {
		log_error("coherence=%s: must be strict or notify", name);
		return -EINVAL;
	}
	return 0;
}

static int check_restart(struct options *o)
{
	const char *name = o->restart_name;

	if (!name || strcmp(name, "crash") == 0)
		o->restart = RESTART_CRASH;
	else if (strcmp(name, "no") == 0)
		o->restart = RESTART_NO;
	else {
		log_error("restart=%s: must be crash or no", name);
		return -EINVAL;
	}
	return 0;
}

static bool is_empty(const char *name, const char *value, const char *meaning)
{
	if (!value || *value)
		return false;
	log_error("%s=: must be %s", name, meaning);
	return true;
}

/* The number that option @name has, no more than @max; *@ret stays where it has none. */
static int check_number(const char *name, const char *text, unsigned long long max,
			const char *meaning, unsigned int *ret)
{
	unsigned long long n;
	char *end;

	if (!text)
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end || errno || n > max) {
		log_error("%s=%s: must be 0 to %llu %s", name, text, max, meaning);
		return -EINVAL;
	}
	*ret = (unsigned int)n;
	return 0;
}

static int check_numbers(struct options *o)
{
	int r = check_number("max_read", o->max_read_text, UINT32_MAX, "bytes",
			     &o->max_read);

	o->poll_us = POLL_DEFAULT_US;
	if (r == 0)
		r = check_number("poll", o->poll_text, POLL_MAX_US, "microseconds",
				 &o->poll_us);
	return r;
}

static int check_kind(struct options *o)
{
	const char *name = o->kind_name ? o->kind_name : "posix";

	o->kind = kind_find(name);
	if (o->kind)
		return 0;
	log_error("kind=%s: must be posix, sysv or all", name);
	return -EINVAL;
}

/* What is there for one kind only, where that is presented. */
static int check_for_kind(const struct options *o)
{
	bool posix = kind_has(o->kind, &kind_posix);

	if (o->shm_dir && !posix)
		log_error("shm_dir= is for kind=posix and kind=all");
	else if (o->reserve && !posix)
		log_error("reserve is for kind=posix and kind=all");
	else if (o->ipcns && !kind_has(o->kind, &kind_sysv))
		log_error("ipcns= is for kind=sysv and kind=all");
	else if (o->coherence == COHERENCE_NOTIFY && o->kind != &kind_posix)
		log_error("coherence=notify is for kind=posix: System V has no events "
			  "that would tell of changes");
	else
		return 0;
	return -EINVAL;
}

/* Whether -o was forgotten in front of it. */
static bool is_option(const char *arg)
{
	return arg && *arg != '-' && fuse_opt_match(templates, arg);
}

/* An option is no name for the mount table, nor a directory that is not there. */
static int check_arguments(const struct options *o)
{
	const char *culprit = NULL;

	if (is_option(o->source))
		culprit = o->source;
	else if (is_option(o->mountpoint) && access(o->mountpoint, F_OK) < 0)
		culprit = o->mountpoint;
	if (!culprit)
		return 0;
	log_error("'%s' is an option: put -o before it", culprit);
	return -EINVAL;
}

static int check_values(struct options *o)
{
	if (o->of_table && !o->remount) {
		unknown("user_id=, group_id=");
		return -EINVAL;
	}
	if (check_arguments(o) < 0)
		return -EINVAL;
	if (check_kind(o) < 0)
		return -EINVAL;
	if (!o->mountpoint) {
		log_error(
			"no mount point given; usage: shmfs [SOURCE] MOUNTPOINT [-o OPTION,...]");
		return -EINVAL;
	}
	if (is_empty("shm_dir", o->shm_dir, "the directory of a tmpfs") ||
	    is_empty("ipcns", o->ipcns, "a process or the path of a namespace file") ||
	    is_empty("fsname", o->fsname, "a name for the mount table") ||
	    is_empty("subtype", o->subtype, "a type for the mount table"))
		return -EINVAL;
	if (check_passthrough(o) < 0 || check_coherence(o) < 0 || check_restart(o) < 0 ||
	    check_numbers(o) < 0 || check_for_kind(o) < 0)
		return -EINVAL;
	if (!o->shm_dir && kind_has(o->kind, &kind_posix)) {
		o->shm_dir = strdup("/dev/shm");
		if (!o->shm_dir)
			return no_memory();
	}
	return 0;
}

static int add_option(struct options *o, const char *name, const char *value)
{
	char *text = NULL, *all = NULL;
	int r;

	if (asprintf(&text, "%s%s", name, value) < 0)
		return no_memory();
	r = fuse_opt_add_opt_escaped(&all, text);
	if (r == 0)
		r = fuse_opt_add_arg(&o->fuse, "-o");
	if (r == 0)
		r = fuse_opt_add_arg(&o->fuse, all);
	free(text);
	free(all);
	return r < 0 ? -ENOMEM : 0;
}

/* The number, as we read it: libfuse has a look at every one given, the kernel reads
 * "010" as 8. */
static int add_max_read(struct options *o)
{
	char text[16];

	if (o->max_read == 0)
		return 0;
	snprintf(text, sizeof(text), "%u", o->max_read);
	return add_option(o, "max_read=", text);
}

/* What every mount has: a name and a type in the mount table; root serves all users. */
static int add_defaults(struct options *o)
{
	const char *name = o->fsname ? o->fsname : o->source ? o->source : "shmfs";
	int r = add_option(o, "subtype=", o->subtype ? o->subtype : "shmfs");

	if (r == 0)
		r = add_option(o, "fsname=", name);
	if (r == 0)
		r = add_max_read(o);
	/* To the kernel there are no others but all: who is root we say. */
	if (r == 0 && (geteuid() == 0 || o->allow_other || o->allow_root))
		r = add_option(o, "allow_other", "");
	if (r == 0 && o->debug)
		r = add_option(o, "debug", "");
	return r;
}

int options_set_noexec(struct options *o)
{
	return o->executable > 0 ? 0 : add_option(o, "noexec", "");
}

/* libfuse leaves it where it keeps an option, and would take what we add for arguments.
 */
static void drop_separator(struct fuse_args *args)
{
	char **last = &args->argv[args->argc - 1];

	if (!args->allocated || strcmp(*last, "--") != 0)
		return;
	free(*last);
	*last = NULL;
	args->argc--;
}

int options_parse(int argc, char *argv[], struct options *ret)
{
	struct fuse_args args = FUSE_ARGS_INIT(argc, argv);
	int r;

	*ret = (struct options){ .fuse = args, .writable = -1, .executable = -1 };
	if (fuse_opt_parse(&ret->fuse, ret, templates, take) < 0)
		return -EINVAL;
	drop_separator(&ret->fuse);
	if (ret->show_help || ret->show_version)
		return 0;
	r = check_values(ret);
	if (ret->debug)
		ret->foreground = 1;
	return r < 0 ? r : add_defaults(ret);
}

void options_done(struct options *o)
{
	free(o->source);
	free(o->fsname);
	free(o->subtype);
	free(o->mountpoint);
	free(o->kind_name);
	free(o->shm_dir);
	free(o->ipcns);
	free(o->passthrough_name);
	free(o->coherence_name);
	free(o->restart_name);
	free(o->max_read_text);
	free(o->poll_text);
	fuse_opt_free_args(&o->fuse);
}

void options_help(void)
{
	fputs("usage: shmfs [SOURCE] MOUNTPOINT [-o OPTION,...] [-f] [-d]\n"
	      "\n"
	      "Presents the shared memory of this machine as files in MOUNTPOINT.\n"
	      "SOURCE is the name in the mount table, as mount(8) gives it.\n"
	      "\n"
	      "    -f                      stay in the foreground\n"
	      "    -d                      as -f, and print every request\n"
	      "    -h, --help              print this text\n"
	      "    -V, --version           print versions\n"
	      "\n"
	      "Options of shmfs:\n"
	      "    -o kind=posix|sysv|all  which: objects of shm_open(3) (posix, the default),\n"
	      "                            System V segments of shmget(2) (sysv), or a directory\n"
	      "                            for each (all)\n"
	      "    -o shm_dir=DIR          the tmpfs that holds the objects (default: /dev/shm)\n"
	      "    -o ipcns=PID|PATH       the segments of another IPC namespace: that of a\n"
	      "                            process, or of a file such as /proc/PID/ns/ipc\n"
	      "    -o passthrough=auto|require|off\n"
	      "                            let the kernel go straight to the objects, so that\n"
	      "                            mappings share their pages: where it can (auto), or\n"
	      "                            do not mount (require), or never (off)\n"
	      "    -o coherence=strict|notify\n"
	      "                            what native users change shows at once (strict), or\n"
	      "                            names and attributes are cached and show it a moment\n"
	      "                            later (notify, for kind=posix)\n"
	      "    -o restart=crash|no     a daemon that dies is replaced, and nothing that is in\n"
	      "                            use notices (crash, with Linux 6.9), or its mount\n"
	      "                            ends with it (no)\n"
	      "    -o reserve              truncate of an object allocates the memory too, or\n"
	      "                            fails: no SIGBUS later\n"
	      "    -o poll=USEC            look for the next request for so many microseconds\n"
	      "                            before sleeping, while requests come (default: 100;\n"
	      "                            0: never)\n"
	      "\n"
	      "Mount options:\n"
	      "    -o ro|rw                read-only or not\n"
	      "    -o exec|noexec          whether programs can be executed\n"
	      "    -o remount              change ro, rw, exec, noexec of a mount that is there\n"
	      "    -o sync|async|dirsync   as in mount(8)\n"
	      "    -o noatime              do not update access times of the objects by reading\n"
	      "                            them on the mount (for root, Linux 5.12)\n"
	      "    -o allow_other          serve all users (root's default)\n"
	      "    -o allow_root           serve root besides the user who mounts\n"
	      "    -o auto_unmount         unmount when the daemon ends for any reason\n"
	      "    -o default_permissions  let the kernel check permissions as well\n"
	      "    -o max_read=N           largest read request, in bytes\n"
	      "    -o fsname=NAME          name in the mount table\n"
	      "    -o subtype=NAME         type in the mount table, behind \"fuse.\"\n"
	      "\n"
	      "suid and dev have no effect (a mount is always nosuid,nodev), and neither have\n"
	      "the options of fstab that mount(8) reads itself.\n",
	      stdout);
}
