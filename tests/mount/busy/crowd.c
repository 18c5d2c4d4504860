/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "busy/crowd.h"
#include "files.h"
#include "mount.h"

static const struct person bob = { .name = "bob", .uid = 1001, .gid = 1001 };
static const struct person root = { .name = "root" };
static const struct person *const persons[PERSONS_MAX] = { &bob, &root };

static struct {
	unsigned int acts;
	uint64_t native; /* the longest */
	uint64_t longest[ACTS];
} figures;

void crowd_begin(struct crowd *c, const struct place *places, size_t n, unsigned int skip)
{
	c->n = 0;
	for (size_t p = 0; p < n; p++)
		for (size_t i = 0; i < PERSONS_MAX; i++)
			c->all[c->n++] = bystander_begin(persons[i], &places[p], skip);
}

bool crowd_is_ready(const struct crowd *c)
{
	bool ready = true;

	for (size_t i = 0; i < c->n; i++)
		ready = ready && bystander_is_ready(c->all[i]);
	return ready;
}

static bool crowd_has_ended(const struct crowd *c)
{
	bool ended = true;

	for (size_t i = 0; i < c->n; i++)
		ended = ended && bystander_has_ended(c->all[i]);
	return ended;
}

/* Whether all that was done was done as it has to be. */
static bool is_right(const struct bystander *b, const char *when, bool may_be_busy)
{
	const struct score *s = bystander_scores(b);
	bool right = true;

	if (bystander_native(b) > figures.native)
		figures.native = bystander_native(b);
	for (enum act act = 0; act < ACTS; act++) {
		int r = s[act].result;

		if (s[act].ns > 0)
			figures.acts++;
		if (s[act].ns > figures.longest[act])
			figures.longest[act] = s[act].ns;
		if (r == 0 ||
		    (r == -EBUSY && may_be_busy && act_waits_for_directory(act)))
			continue;
		print_error("    FAILS: %s, %s: %s: %s after %.3f s\n", when,
			    bystander_name(b), act_names[act],
			    r == -ETIME ? "HANGS" : strerror(-r),
			    (double)s[act].ns / 1e9);
		right = false;
	}
	return right;
}

/* All of it that takes no longer than its limits: those are kept by itself. */
bool crowd_acts(struct crowd *c, const char *when, bool may_be_busy)
{
	bool right = true;

	for (size_t i = 0; i < c->n; i++)
		bystander_go(c->all[i]);
	await_that(crowd_has_ended(c));
	for (size_t i = 0; i < c->n; i++)
		right = is_right(c->all[i], when, may_be_busy) && right;
	return right;
}

void crowd_free(struct crowd *c)
{
	for (size_t i = 0; i < c->n; i++)
		bystander_free(c->all[i]);
	c->n = 0;
}

uint64_t crowd_limit(void)
{
	return bystander_limit(BUSY_NS, figures.native);
}

void crowd_tell(void)
{
	print_message("%u acts of others, the longest of each in ms:", figures.acts);
	for (enum act act = 0; act < ACTS; act++)
		print_message(" %s %.1f,", act_names[act],
			      (double)figures.longest[act] / 1e6);
	print_message(" any natively %.1f\n", (double)figures.native / 1e6);
}
