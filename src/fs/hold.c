/* SPDX-License-Identifier: MIT */
/*
 * The object of a node, which has neither a descriptor nor a path of its own: what is
 * open, what was looked up a moment ago, or what one of its names leads to.
 */
#include <errno.h>
#include <string.h>

#include "fs/file.h"
#include "fs/internal.h"

bool name_leads_to(struct fs *fs, const char *name, const struct object_id *id)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct object_info info;

	return kind_lookup(fs->kind, NULL, name, &handle, &info) == 0 &&
	       memcmp(&info.id, id, sizeof(*id)) == 0;
}

/* The object of @n by @name, if that leads to it. */
static int hold_by_name(struct fs *fs, const struct caller *caller, const struct node *n,
			const char *name, struct native_file **ret)
{
	_cleanup_native_ struct native_file *handle = NULL;
	struct object_info info;
	int r = kind_lookup(fs->kind, caller, name, &handle, &info);

	if (r == -ENOENT || (r == 0 && memcmp(&info.id, &n->id, sizeof(n->id)) != 0))
		return -ESTALE;
	if (r < 0)
		return r;
	recent_put(&fs->recent, n->number, name, &info.id, handle);
	*ret = take_ptr(handle);
	return 0;
}

/* By any of its names: -ESTALE where none leads to it. */
static int hold_by_any_name(struct fs *fs, const struct caller *caller,
			    const struct node *n, const struct node_names *names,
			    struct native_file **ret)
{
	int r = -ESTALE;

	for (unsigned int i = 0; r == -ESTALE && i < names->n; i++)
		r = hold_by_name(fs, caller, n, names->text[i], ret);
	return r;
}

/* Where the kernel keeps names: -ESTALE where any of them leads elsewhere, since nobody
 * knows by which of them it comes. */
static int hold_by_all_names(struct fs *fs, const struct caller *caller,
			     const struct node *n, const struct node_names *names,
			     struct native_file **ret)
{
	for (unsigned int i = 1; i < names->n; i++)
		if (!name_leads_to(fs, names->text[i], &n->id))
			return -ESTALE;
	return names->n > 0 ? hold_by_name(fs, caller, n, names->text[0], ret) : -ESTALE;
}

/* What a caller comes for where the kernel keeps names. */
struct purpose {
	bool opens;     /* to open or link it */
	bool ahead;     /* the kernel does, before that which the caller comes for */
	const char *to; /* the name that a link is to get, or NULL */
};

/*
 * Where the kernel keeps names: refused if a name leads elsewhere by now. When it comes
 * back, what the node itself has counts: @own, or else what was looked up, or what any
 * of its names leads to.
 */
static int hold_by_kept_name(struct fs *fs, const struct caller *caller,
			     const struct node *n, const struct node_names *names,
			     const struct purpose *what, struct native_file *own,
			     struct native_file **ret)
{
	bool again = what->ahead ? refusals_have(&fs->refusals, caller, n->number)
				 : refusals_take(&fs->refusals, caller, n->number,
						 what->opens);
	int r = hold_by_all_names(fs, caller, n, names, ret);

	if (r != -ESTALE)
		return r;
	if (!again) {
		refusals_add(&fs->refusals, caller, n->number, what->opens, what->to);
		return r;
	}
	*ret = own ? native_file_ref(own) : recent_get(&fs->recent, n->number);
	return *ret ? 0 : hold_by_any_name(fs, caller, n, names, ret);
}

static int hold(struct fs *fs, const struct caller *caller, uint64_t number,
		const struct purpose *what, struct native_file **ret)
{
	struct native_file *f = NULL;
	struct node_names names;
	struct node *n = node_get(fs, number, &f, &names);
	int r = 0;

	if (!n)
		return -ESTALE;
	if (!f && !fs->keeps)
		f = recent_get(&fs->recent, number);
	if (f)
		*ret = f;
	else if (fs->keeps)
		r = hold_by_kept_name(fs, caller, n, &names, what, NULL, ret);
	else
		r = hold_by_any_name(fs, caller, n, &names, ret);
	node_put(fs, n);
	return r;
}

int node_hold(struct fs *fs, const struct caller *caller, uint64_t number,
	      struct native_file **ret)
{
	return hold(fs, caller, number, &(struct purpose){ .opens = false }, ret);
}

int node_hold_ahead(struct fs *fs, const struct caller *caller, uint64_t number,
		    struct native_file **ret)
{
	return hold(fs, caller, number, &(struct purpose){ .ahead = true }, ret);
}

int node_hold_to_link(struct fs *fs, const struct caller *caller, uint64_t number,
		      const char *to, struct native_file **ret)
{
	const struct purpose what = { .opens = true, .to = to };
	_cleanup_native_ struct native_file *f = NULL;
	struct node_names names;
	struct node *n;
	int r;

	if (!fs->keeps || number == FS_ROOT)
		return node_hold(fs, caller, number, ret);
	n = node_get(fs, number, &f, &names);
	if (!n)
		return -ESTALE;
	r = hold_by_kept_name(fs, caller, n, &names, &what, f, ret);
	node_put(fs, n);
	return r;
}

int node_hold_named(struct fs *fs, const struct caller *caller, uint64_t number,
		    struct native_file **ret)
{
	return node_hold_to_link(fs, caller, number, NULL, ret);
}
