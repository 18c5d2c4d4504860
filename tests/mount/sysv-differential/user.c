/* SPDX-License-Identifier: MIT */
/* Real and effective ids and groups, and with them the capabilities. */
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "user.h"

enum { MORE = 2 };

static const struct {
	const char *name;
	uid_t uid;
	gid_t gid;
	size_t n;
	gid_t more[MORE];
} users[USERS] = {
	{ "root", 0, 0, 0, { 0 } },
	{ "alice", 1000, 1000, 1, { 2000 } },
	{ "bob", 1001, 1001, 2, { 2000, 1000 } },
};

uid_t user_uid(enum user user)
{
	return users[user].uid;
}

gid_t user_gid(enum user user)
{
	return users[user].gid;
}

const char *user_name(enum user user)
{
	return users[user].name;
}

bool user_is_in(enum user user, gid_t group)
{
	for (size_t i = 0; i < users[user].n; i++)
		if (users[user].more[i] == group)
			return true;
	return users[user].gid == group;
}

static void need(int r, const char *what)
{
	if (r == 0)
		return;
	perror(what);
	exit(1);
}

void user_become(enum user user)
{
	uid_t uid = users[user].uid;
	gid_t gid = users[user].gid;

	if (user == USER_ROOT)
		return;
	need(setgroups(users[user].n, users[user].more), "setgroups");
	need(setresgid(gid, gid, 0), "setresgid");
	need(setresuid(uid, uid, 0), "setresuid");
}

void user_return(void)
{
	if (geteuid() == 0)
		return;
	need(setresuid(0, 0, 0), "setresuid");
	need(setresgid(0, 0, 0), "setresgid");
	need(setgroups(0, NULL), "setgroups");
}
