/* log.c - provd's log. See log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistr.h>

static int use_syslog;

void prov_log_open(const char *program, int to_syslog)
{
	use_syslog = to_syslog;
	if (to_syslog)
		openlog(program, LOG_PID, LOG_DAEMON);
}

void prov_log(int priority, const char *fmt, ...)
{
	char line[2048], when[32];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (use_syslog) {
		syslog(priority, "%s", line);
		return;
	}
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
	const char *level = priority <= LOG_ERR ? "error"
		: priority == LOG_WARNING       ? "warning"
						: "info";
	fprintf(stderr, "%s.%03dZ level=%s %s\n", when, (int)(now.tv_nsec / 1000000), level, line);
}

void prov_log_clean(char *text)
{
	for (uint8_t *p = (uint8_t *)text; *p;) {
		ucs4_t c = 0;
		int len = u8_mbtouc(&c, p, u8_strlen(p) < 4 ? u8_strlen(p) : 4);
		if (len < 1)
			len = 1;
		if (c == 0xfffd && *p != 0xef)
			for (int i = 0; i < len; i++)
				p[i] = '?';
		else if (c < 0x20 || c == 0x7f)
			*p = ' ';
		else if (c == '"')
			*p = '\'';
		p += len;
	}
}
