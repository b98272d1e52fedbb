/*
 * fuzz_event.c - any bytes as an event in the outbox: what leaves for each kind of connector, and
 * what the relay makes of it as a report or an import, holds to its contract.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "event.h"
#include "fake_schema.h"
#include "ldapdir_map.h"
#include "report.h"
#include "scim_map.h"
#include "secevent.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct prov_type *listed[4];
static struct prov_connector connector = { .name = "c", .nattr = 4, .attr = listed };

static void as_security_event(const json_t *event)
{
	struct prov_secevent_profile p = { "https://i", "a", PROV_SUBJECT_OPAQUE, "mail",
		"https://s" };

	for (int f = PROV_SUBJECT_OPAQUE; f <= PROV_SUBJECT_ISS_SUB; f++) {
		struct prov_error err = { 0 };
		json_t *claims = NULL;
		p.format = (enum prov_subject_format)f;
		if (prov_secevent_claims(&p, event, 1, &claims, &err) && (claims || !err.text[0]))
			abort();
		json_decref(claims);
	}
}

static void as_account(const json_t *event)
{
	struct prov_scim_map *scim = NULL;
	struct prov_ldapdir_map *dir = NULL;

	if (prov_scim_map_new(&connector, &scim, NULL) ||
		prov_ldapdir_map_new(&connector, "x.example", &dir, NULL))
		abort();
	json_t *user = prov_scim_map_user(scim, event, provd_event_active(event));
	json_t *ops = prov_scim_map_patch(scim, user, user);
	if (!user || json_array_size(ops))
		abort(); /* an account agrees with itself */
	json_decref(user);
	json_decref(ops);
	for (size_t i = 0; i < prov_ldapdir_map_size(dir); i++) {
		const char *there = NULL;
		struct berval **values = NULL;
		int rc = prov_ldapdir_map_get(dir, i, event, &there, &values);
		if ((rc && values) || !prov_ldapdir_values_equal(values, values))
			abort();
		prov_ldapdir_values_free(values);
		free(prov_ldapdir_map_first(dir, prov_ldapdir_map_name(dir, i), event));
	}
	prov_scim_map_free(&scim);
	prov_ldapdir_map_free(&dir);
}

/* What leaves is one line of JSON, and holds nothing that only serves us. */
static void as_body(const char *json, size_t len)
{
	struct prov_body body;
	struct prov_error err = { 0 };
	char subject[37] = "";
	bool wanted = false;
	int rc = prov_body_make(json, len, &connector, &body, &err);

	if (rc) {
		if (body.text || !err.text[0])
			abort();
		return;
	}
	if (memchr(body.text, '\n', body.len) != body.text + body.len - 1)
		abort();
	json_t *event = json_loadb(body.text, body.len, 0, NULL);
	if (!event || json_object_get(event, "route") || json_object_get(event, "values"))
		abort();
	as_security_event(event);
	as_account(event);
	json_decref(event);
	prov_body_dispose(&body);
	for (int start = PROV_START_NOW; start <= PROV_START_BEGINNING; start++) {
		connector.start = (enum prov_start)start;
		prov_body_route(json, len, connector.name, &connector, &wanted, subject, &err);
		if (!memchr(subject, 0, sizeof(subject)))
			abort();
	}
}

static void as_record(const char *json, size_t len)
{
	struct prov_error err = { 0 };
	char *event = NULL, *record = NULL;
	struct prov_report r = { .id = "i",
		.ms = 1,
		.outcome = PROV_REPORT_DROPPED,
		.connector = "c",
		.seq = 1,
		.event = json,
		.len = len };
	struct prov_import i = { "i", "cn=a", "ldap:///", 1, json, len };

	if (prov_report_take(json, len, 7, &event, &err) && event)
		abort();
	free(event);
	event = NULL;
	if (prov_report_encode(&r, &record, &err) || !record)
		abort(); /* whatever the event is, that it was dropped is told */
	if (prov_report_take(record, strlen(record), 7, &event, &err) || event)
		abort();
	free(record);
	record = NULL;
	if (prov_import_encode(&i, &record, &err)) {
		if (record || !err.text[0])
			abort();
		return;
	}
	if (prov_report_take(record, strlen(record), 7, &event, &err) || !event)
		abort(); /* what was taken in is an event here */
	free(event);
	free(record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!listed[0]) {
		listed[0] = fake_type("mail");
		listed[1] = fake_type("givenName");
		listed[2] = fake_type("departmentNumber");
		listed[3] = fake_type("description");
	}
	as_body((const char *)data, size);
	as_record((const char *)data, size);
	return 0;
}
