/*
 * fuzz_scim_map.c - any JSON as a SCIM server's account: what must change is told without harm,
 * and once all of it is replaced, nothing must.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fake_schema.h"
#include "scim_map.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define EVENT \
	"{\"subject\":\"u-1\",\"data\":{\"uid\":\"ann\",\"values\":{\"mail\":[\"a@x\"],\"givenName\":[\"A\"]," \
	"\"departmentNumber\":[\"it\"]}}}"

static struct prov_scim_map *make_map(void)
{
	const struct prov_type *types[] = { fake_type("mail"), fake_type("givenName"),
		fake_type("departmentNumber"), fake_type("title") };
	struct prov_connector c = { .nattr = 4, .attr = types };
	struct prov_scim_map *m = NULL;

	if (prov_scim_map_new(&c, &m, NULL))
		abort();
	return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *remote = json_loadb((const char *)data, size, 0, NULL);

	if (!json_is_object(remote)) {
		json_decref(remote);
		return 0;
	}
	struct prov_scim_map *m = make_map();
	json_t *event = json_loads(EVENT, 0, NULL);
	json_t *user = prov_scim_map_user(m, event, size % 2);
	json_t *ops = prov_scim_map_patch(m, user, remote);
	json_t *whole = prov_scim_map_replace(m, user, remote);
	json_t *rest = prov_scim_map_patch(m, user, whole);

	if (!json_is_array(ops) || !whole || json_array_size(rest) != 0 ||
		prov_scim_active(whole) != (bool)(size % 2))
		abort();
	json_decref(event);
	json_decref(user);
	json_decref(remote);
	json_decref(ops);
	json_decref(whole);
	json_decref(rest);
	prov_scim_map_free(&m);
	return 0;
}
