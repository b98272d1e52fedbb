/* scim_groups.c - memberships at a SCIM server. See scim_groups.h. */
#include "scim_groups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event.h"

#define GROUP "urn:ietf:params:scim:schemas:core:2.0:Group"
#define PATCH_OP "urn:ietf:params:scim:api:messages:2.0:PatchOp"

static bool has_member(const json_t *group, const char *user)
{
	const json_t *members = json_object_get(group, "members");
	json_t *m;
	size_t i;

	json_array_foreach(members, i, m)
	{
		const char *v = json_string_value(json_object_get(m, "value"));
		if (v && strcmp(v, user) == 0)
			return true;
	}
	return false;
}

/* *group: the only one of that name, borrowed from call->doc; NULL: none. */
static int find(struct prov_scim_call *call, const char *name, const json_t **group)
{
	size_t i;
	json_t *o;

	*group = NULL;
	if (prov_scim_search(call, "Groups", "displayName", name))
		return -1;
	if (call->status != 200)
		return prov_scim_fail_status(call, "search for the group");
	json_array_foreach(json_object_get(call->doc, "Resources"), i, o)
	{
		const char *v = json_string_value(json_object_get(o, "displayName"));
		if (!v || strcmp(v, name) != 0)
			continue;
		if (*group)
			return prov_result_fail(call->out,
				"several groups there are named \"%.100s\"", name);
		*group = o;
	}
	return 0;
}

static int create(struct prov_scim_call *call, const char *name, const char *user)
{
	json_t *g = json_pack("{s:[s],s:s,s:[{s:s}]}", "schemas", GROUP, "displayName", name,
		"members", "value", user);
	int rc = prov_scim_ask(call, "POST", "Groups", g, NULL);

	json_decref(g);
	if (rc == 0 && call->status != 201 && call->status != 200)
		rc = prov_scim_fail_status(call, "create the group");
	return rc;
}

static int patch(struct prov_scim_call *call, const json_t *group, const char *user, bool add)
{
	const char *id = json_string_value(json_object_get(group, "id"));
	char path[300], member[PROV_REMOTE_ID + 40];
	json_t *op;

	if (!id || strlen(id) > 200 || strpbrk(id, "/?#% "))
		return prov_result_fail(call->out, "a group there has no id that could be used");
	snprintf(path, sizeof(path), "Groups/%s", id);
	snprintf(member, sizeof(member), "members[value eq \"%s\"]", user);
	op = add ? json_pack("{s:s,s:s,s:[{s:s}]}", "op", "add", "path", "members", "value",
			   "value", user)
		 : json_pack("{s:s,s:s}", "op", "remove", "path", member);
	json_t *body = json_pack("{s:[s],s:[o]}", "schemas", PATCH_OP, "Operations", op);
	int rc = prov_scim_ask(call, "PATCH", path, body, NULL);
	json_decref(body);
	if (rc == 0 && call->status != 200 && call->status != 204)
		rc = prov_scim_fail_status(call, "change the group");
	return rc;
}

/* Two accounts may join a new group at the same time: one of them makes it. */
static int join_new(struct prov_scim_call *call, pthread_mutex_t *making, const char *name,
	const char *user)
{
	const json_t *group = NULL;

	pthread_mutex_lock(making);
	int rc = find(call, name, &group);
	if (rc == 0 && !group)
		rc = create(call, name, user);
	else if (rc == 0 && !has_member(group, user))
		rc = patch(call, group, user, true);
	pthread_mutex_unlock(making);
	return rc;
}

static int leave(struct prov_scim_call *call, const char *name, const json_t *group,
	const char *user)
{
	int rc = has_member(group, user) ? patch(call, group, user, false) : 0;

	if (rc == 0)
		rc = find(call, name, &group);
	return rc == 0 && group && has_member(group, user)
		? prov_result_fail(call->out,
			  "the server took the change, but the account is still in \"%.100s\" there",
			  name)
		: rc;
}

static int one(struct prov_scim_call *call, pthread_mutex_t *making, const char *dn,
	const char *user, bool add)
{
	const json_t *group = NULL;
	char *name = provd_event_group(dn);
	if (!name)
		return prov_result_fail(call->out, "not the DN of a group: \"%.100s\"", dn);
	int rc = find(call, name, &group);

	if (rc == 0 && add)
		rc = !group                       ? join_new(call, making, name, user)
			: has_member(group, user) ? 0
						  : patch(call, group, user, true);
	else if (rc == 0 && group)
		rc = leave(call, name, group, user);
	free(name);
	return rc;
}

static int each(struct prov_scim_call *call, pthread_mutex_t *making, const json_t *list,
	const char *user, bool add)
{
	size_t i;
	json_t *dn;
	int rc = 0;

	json_array_foreach(list, i, dn)
	{
		if (rc == 0 && json_is_string(dn))
			rc = one(call, making, json_string_value(dn), user, add);
	}
	return rc;
}

int prov_scim_groups(struct prov_scim_call *call, pthread_mutex_t *making, const json_t *event,
	const char *user)
{
	const json_t *groups = json_object_get(json_object_get(event, "data"), "groups");
	int rc = each(call, making, json_object_get(groups, "lost"), user, false);

	return rc ? rc : each(call, making, json_object_get(groups, "gained"), user, true);
}
