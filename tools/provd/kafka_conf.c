/* kafka_conf.c - how librdkafka is set up. See kafka_conf.h. */
#include "kafka_conf.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "options.h" /* PROV_VERSION */
#include "secret.h"

static void no_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk, (void)level, (void)facility, (void)text; /* on_trouble() hears of it */
}

/* The brokers tell where the others are: that must not lead a connection without TLS away. */
static int connect_here_only(int fd, const struct sockaddr *a, int len, const char *id, void *self)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	bool here = false;

	(void)id, (void)self;
	if (a->sa_family == AF_INET) {
		memcpy(&v4, a, sizeof(v4));
		here = ntohl(v4.sin_addr.s_addr) >> 24 == 127;
	} else if (a->sa_family == AF_INET6) {
		memcpy(&v6, a, sizeof(v6));
		here = IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
	}
	if (!here)
		return EPERM;
	return connect(fd, a, (socklen_t)len) && errno != EINPROGRESS ? errno : 0;
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct prov_error *err)
{
	char why[200];

	if (!value || rd_kafka_conf_set(conf, name, value, why, sizeof(why)) == RD_KAFKA_CONF_OK)
		return 0;
	return prov_error_set(err, PROV_EINVAL, "%s", why);
}

static int set_number(rd_kafka_conf_t *conf, const char *name, long least, long value, long most,
	struct prov_error *err)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value < least ? least : value > most ? most : value);
	return set(conf, name, text, err);
}

/* The time for one record is over before we stop to wait for its report. */
static int set_times(rd_kafka_conf_t *conf, unsigned timeout, struct prov_error *err)
{
	long ms = (long)timeout * 1000, three_quarters = ms / 4 * 3;
	int rc = set_number(conf, "message.timeout.ms", 1, three_quarters, INT32_MAX, err);

	if (rc == 0)
		rc = set_number(conf, "request.timeout.ms", 1, three_quarters, 30000, err);
	if (rc == 0)
		rc = set_number(conf, "socket.timeout.ms", 10, ms, 60000, err);
	if (rc == 0)
		rc = set_number(conf, "socket.connection.setup.timeout.ms", 1000, ms, 30000, err);
	if (rc == 0) /* a topic that is not there is told, not waited for */
		rc = set_number(conf, "topic.metadata.propagation.max.ms", 0, ms / 4, 30000, err);
	return rc;
}

static int set_security(rd_kafka_conf_t *conf, const struct prov_kafka_settings *s,
	struct prov_error *err)
{
	char *secret = NULL;
	size_t room = 0;
	int rc = set(conf, "security.protocol",
		s->plain          ? "plaintext"
			: s->user ? "sasl_ssl"
				  : "ssl",
		err);

	if (rc || s->plain)
		return rc;
	rc = set(conf, "enable.ssl.certificate.verification", "true", err);
	if (rc == 0)
		rc = set(conf, "ssl.endpoint.identification.algorithm", "https", err);
	if (rc == 0)
		rc = set(conf, "ssl.ca.location", s->ca, err);
	if (rc == 0)
		rc = set(conf, "ssl.certificate.location", s->cert, err);
	if (rc == 0)
		rc = set(conf, "ssl.key.location", s->key ? s->key : s->cert, err);
	if (rc == 0 && s->user) {
		rc = prov_secret_line(s->secret_file, &secret, &room, err);
		if (rc == 0 && !*secret)
			rc = prov_error_set(err, PROV_EINVAL, "%s: its first line is empty",
				s->secret_file);
		if (rc == 0)
			rc = set(conf, "sasl.mechanism", s->mechanism, err);
		if (rc == 0)
			rc = set(conf, "sasl.username", s->user, err);
		if (rc == 0)
			rc = set(conf, "sasl.password", secret, err);
		prov_secret_free(&secret, room);
	}
	return rc;
}

/* With more than one request under way librdkafka takes a record that was refused for stored when a
 * later one is: right with a broker that insists on the sequence of an idempotent producer, but
 * not all do (its own mock cluster does not). */
int prov_kafka_configure(rd_kafka_conf_t *conf, const struct prov_kafka_settings *s,
	struct prov_error *err)
{
	static const char *const fixed[][2] = {
		{ "client.id", "slapo-provision" },
		{ "client.software.name", "slapo-provision" },
		{ "client.software.version", PROV_VERSION },
		{ "enable.idempotence", "true" },
		{ "acks", "all" },
		{ "max.in.flight.requests.per.connection", "1" },
		{ "linger.ms", "0" },
		{ "partitioner", "murmur2_random" }, /* as the Java clients do */
		{ "queue.buffering.max.messages", "1000" },
		{ "queue.buffering.max.kbytes", "65536" },
		{ "log.connection.close", "false" },
	};
	int rc = set(conf, "bootstrap.servers", s->servers, err);

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]) && rc == 0; i++)
		rc = set(conf, fixed[i][0], fixed[i][1], err);
	if (rc == 0)
		rc = set_times(conf, s->timeout, err);
	if (rc == 0)
		rc = set_security(conf, s, err);
	if (s->plain)
		rd_kafka_conf_set_connect_cb(conf, connect_here_only);
	rd_kafka_conf_set_log_cb(conf, no_log);
	return rc;
}
