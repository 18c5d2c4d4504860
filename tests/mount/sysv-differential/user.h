/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Who does it: root, and two in different groups. They have one in common, and one is in
 * that of the other, so that segments made there are made by his group. A user is put on
 * for a call and taken off again; the saved ids stay root's, which is the way back.
 */
#include <stdbool.h>
#include <sys/types.h>

enum user { USER_ROOT, USER_ALICE, USER_BOB, USERS };

uid_t user_uid(enum user user);
gid_t user_gid(enum user user);
const char *user_name(enum user user);

/* Whether the user is a member of @group, first or supplementary. */
bool user_is_in(enum user user, gid_t group);

/* The process ends if it cannot. */
void user_become(enum user user);
void user_return(void);
