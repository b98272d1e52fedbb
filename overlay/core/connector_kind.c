/*
 * connector_kind.c - the table of kinds, and what their targets look like.
 */
#include "connector_kind.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *any_command(const char *target)
{
	(void)target; /* its words are looked at by provd */
	return NULL;
}

/* RFC 3986: a scheme, an authority without userinfo, no fragment, no blanks. */
static const char *https_only(const char *target)
{
	static const char scheme[] = "https://";

	if (strncasecmp(target, scheme, sizeof(scheme) - 1) != 0)
		return "must begin with https://";
	const char *host = target + sizeof(scheme) - 1;
	size_t n = strcspn(host, "/?#");
	if (n == 0 || *host == ':')
		return "has no host";
	if (memchr(host, '@', n))
		return "has a name or password in it: secrets belong into provSecretFile";
	for (const char *p = target; *p; p++) {
		if (*p == '#')
			return "has a fragment (#)";
		if (*p <= ' ' || *p == 127)
			return "has a blank or control character in it";
	}
	return NULL;
}

/* RFC 4516, with a base DN. */
static const char *ldap_url(const char *target)
{
	static const char *const scheme[] = { "ldaps://", "ldap://", "ldapi://" };
	const char *host = NULL;

	for (size_t i = 0; i < sizeof(scheme) / sizeof(scheme[0]) && !host; i++)
		if (strncasecmp(target, scheme[i], strlen(scheme[i])) == 0)
			host = target + strlen(scheme[i]);
	if (!host)
		return "must begin with ldaps://, ldap:// or ldapi://";
	const char *slash = strchr(host, '/');
	if (slash == host)
		return "has no host";
	return slash && slash[1] && slash[1] != '?' ? NULL : "has no base DN";
}

/* "host" or "host:port" from a list, up to its comma; an address of IPv6 in brackets. */
static const char *one_server(const char *p, size_t n)
{
	const char *end = p + n, *port = *p == '[' ? memchr(p, ']', n) : p;

	if (*p == '[' && !port)
		return "has a [ without a ]";
	port = memchr(port, ':', (size_t)(end - port));
	if (n == 0 || port == p)
		return "has no host";
	for (const char *c = p; c < end; c++) {
		if (*c == '@')
			return "has a name or password in it: secrets belong into provSecretFile";
		if (*c <= ' ' || *c == 127 || *c == '/' || *c == '?' || *c == '#')
			return "has something else than hosts and ports in it";
	}
	unsigned long v = 0;
	for (const char *c = port ? port + 1 : end; c < end && v <= 65535; c++)
		v = *c >= '0' && *c <= '9' ? v * 10 + (unsigned long)(*c - '0') : 65536;
	return port && (v < 1 || v > 65535) ? "has a port that is none" : NULL;
}

/* Servers with commas between them; the scheme before the first, and before any other. */
static const char *server_list(const char *target, const char *scheme)
{
	const char *bad = NULL;

	for (const char *p = target; p && !bad; p = *p ? p + 1 : NULL) {
		if (strncasecmp(p, scheme, strlen(scheme)) == 0)
			p += strlen(scheme);
		bad = one_server(p, strcspn(p, ","));
		p += strcspn(p, ",");
	}
	return bad;
}

static const char *nats_servers(const char *target)
{
	static const char scheme[] = "tls://";

	return strncasecmp(target, scheme, sizeof(scheme) - 1) == 0 ? server_list(target, scheme)
								    : "must begin with tls://";
}

static const char *any_servers(const char *target)
{
	return server_list(target, "");
}

static const char *const exec_options[] = { "user", "cpu", "memory", "files", "processes",
	"filesize", NULL };
static const char *const tls_options[] = { "ca", "cert", "key", NULL };

static const char *const scim_options[] = { "ca", "cert", "key", "tokenUrl", "clientId", "map",
	"update=patch|put", "delete=disable|remove", "groups=yes|no", NULL };

static const char *const ldap_options[] = { "ca", "cert", "key", "bindDn", "rdn", "class", "map",
	"disable", "delete=disable|remove", "groups", "member=member|uniqueMember|memberUid",
	"idAttribute", "dialect=ad", "upnSuffix", "password=random|none", NULL };

static const char *const caep_options[] = { "ca", "cert", "key", "token", "tokenUrl", "clientId",
	"issuer", "audience", "subject=opaque|email|iss_sub", "subjectAttribute", "subjectIssuer",
	"jwks", "jwksUri", "metadata", "delivery=push|poll", "listen", "clientCa", NULL };

/* Of all kinds. */
static const char *const common_options[] = { "start=now|beginning|sync", NULL };

static const char *const nats_options[] = { "ca", "cert", "key", "user", "subject", "stream",
	NULL };

static const char *const kafka_options[] = { "ca", "cert", "key", "user",
	"sasl=SCRAM-SHA-512|SCRAM-SHA-256|PLAIN", "topic", "tls=yes|no", NULL };

static const struct prov_connector_kind kinds[] = {
	{ "caep", true, false, false, caep_options, https_only },
	{ "exec", false, false, false, exec_options, any_command },
	{ "kafka", false, false, false, kafka_options, any_servers },
	{ "ldap", false, false, true, ldap_options, ldap_url },
	{ "nats", true, true, false, nats_options, nats_servers },
	{ "scim", true, true, true, scim_options, https_only },
	{ "webhook", true, false, false, tls_options, https_only },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

const struct prov_connector_kind *prov_connector_kind(const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	return NULL;
}

void prov_connector_kinds(char *out, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < KINDS && n < room; i++)
		n += (size_t)snprintf(out + n, room - n, "%s%s", i ? ", " : "", kinds[i].name);
}

static const char *find_option(const char *const *option, const char *name, size_t len)
{
	for (const char *const *o = option; *o; o++) {
		size_t n = strcspn(*o, "=");
		if (n == len && strncmp(*o, name, len) == 0)
			return (*o)[n] ? *o + n + 1 : "";
	}
	return NULL;
}

const char *prov_connector_kind_option(const struct prov_connector_kind *k, const char *name,
	size_t len)
{
	const char *choice = find_option(k->option, name, len);

	return choice ? choice : find_option(common_options, name, len);
}

bool prov_connector_kind_one_of(const char *choice, const char *value, size_t len)
{
	for (const char *p = choice; *p; p += strcspn(p, "|"), p += *p == '|')
		if (strcspn(p, "|") == len && strncmp(p, value, len) == 0)
			return true;
	return !*choice;
}
