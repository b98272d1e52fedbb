/*
 * log.h - provd's log: one key=value line each, to standard error or to syslog.
 *
 * Values that come from outside go through prov_log_clean() first. Never a secret,
 * never an event's content.
 */
#ifndef PROVD_LOG_H
#define PROVD_LOG_H

#include <stddef.h>
#include <syslog.h> /* LOG_ERR ... */

/* to_syslog: facility daemon; else standard error with a time in front. */
void prov_log_open(const char *program, int to_syslog);
void prov_log(int priority, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Make text fit between double quotes on one line: control characters become blanks,
 * double quotes single ones, what is not UTF-8 question marks. In place. */
void prov_log_clean(char *text);

#endif
