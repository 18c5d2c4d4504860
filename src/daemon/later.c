/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "daemon/later.h"

struct later_act {
	void (*act)(void *context);
	void *context;
	struct later_act *next;
};

bool later_add(struct later *l, void (*act)(void *context), void *context)
{
	struct later_act *a = malloc(sizeof(*a));

	if (!a)
		return false;
	*a = (struct later_act){ act, context, l->first };
	l->first = a;
	return true;
}

void later_do(struct later *l, pthread_mutex_t *lock)
{
	struct later_act *a;

	l->done = true;
	while ((a = l->first)) {
		l->first = a->next;
		pthread_mutex_unlock(lock);
		a->act(a->context);
		free(a);
		pthread_mutex_lock(lock);
	}
	l->done = false;
}
