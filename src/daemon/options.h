/* SPDX-License-Identifier: MIT */
#pragma once
/* What the command line asks for. */
#include <stdbool.h>

#define FUSE_USE_VERSION 312
#include <fuse_opt.h>

#include "native/kind.h"

enum passthrough_wish {
	PASSTHROUGH_AUTO,    /* where the kernel lets us */
	PASSTHROUGH_REQUIRE, /* or do not mount */
	PASSTHROUGH_OFF,
};

enum coherence {
	COHERENCE_STRICT, /* nothing is cached */
	COHERENCE_NOTIFY, /* the kernel caches, and is told of changes */
};

enum restart {
	RESTART_CRASH, /* a daemon that dies is replaced, where the kernel lets us */
	RESTART_NO,
};

struct options {
	char *source; /* the first of two arguments, or NULL: a name for the mount table
		       */
	char *fsname; /* the same as an option, which counts more */
	char *mountpoint; /* absolute */
	char *subtype;
	char *kind_name;
	char *shm_dir; /* NULL: the kind has none */
	char *ipcns;   /* a process's number or a path, or NULL: the daemon's own */
	char *passthrough_name;
	char *coherence_name;
	char *restart_name;
	char *max_read_text;
	char *poll_text;
	const struct kind_ops *kind;
	enum passthrough_wish passthrough;
	enum coherence coherence;
	enum restart restart;
	unsigned int max_read; /* bytes, 0: no limit */
	unsigned int poll_us;  /* the longest look for a request before sleeping */
	int reserve;
	int noatime; /* for libfuse, too */
	int remount;
	int of_table;   /* options that nobody gives but mount(8) with remount */
	int writable;   /* 0 or 1, -1: nothing is said of it; for libfuse, too */
	int executable; /* likewise */
	int allow_other;
	int allow_root;
	int foreground;
	int debug;
	int show_help;
	int show_version;
	struct fuse_args fuse; /* what is left for libfuse */
};

/*
 * Reads the command line into @ret, which options_done() frees also after an error.
 * Prints one line that says what is wrong and what would be right, and returns -EINVAL
 * for it.
 */
int options_parse(int argc, char *argv[], struct options *ret);
void options_done(struct options *o);

/* Nothing is to be executed, unless that was asked for: 0, or a negative errno. */
int options_set_noexec(struct options *o);

/* The text of --help, on standard output. */
void options_help(void);
