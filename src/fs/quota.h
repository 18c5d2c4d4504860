/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How much of something that there is only so much of callers may have, and who of them
 * has it. Where several users are served, nobody but root may take more than he leaves
 * for others: alone he gets half, and who comes after him finds half of the rest, and so
 * on. A little is kept for root.
 */
#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

struct share;

struct quota {
	pthread_mutex_t lock;
	unsigned int max;     /* 0: as much as there is */
	bool shared;          /* by users, as said above; else only the whole counts */
	unsigned int taken;   /* protected by lock */
	struct share *shares; /* of those who have something, a hash; protected by lock */
};

void quota_init(struct quota *q, unsigned int max, bool shared);
/* What was taken need not have been given back. */
void quota_done(struct quota *q);

/*
 * Takes one for @uid: 0, or -ENFILE where there is none left, -EMFILE where @uid has as
 * many as one user may have, or -ENOMEM.
 */
int quota_take(struct quota *q, uid_t uid);
void quota_give(struct quota *q, uid_t uid);
/* Likewise @n together, or none of them. */
int quota_take_many(struct quota *q, uid_t uid, unsigned int n);
void quota_give_many(struct quota *q, uid_t uid, unsigned int n);

/* Whether quota_take() would be refused. */
bool quota_is_full(struct quota *q, uid_t uid);
/* Takes one however many there are: 0 or -ENOMEM. */
int quota_force(struct quota *q, uid_t uid);
