/*
 * ctl.h - what the commands of provctl share: options, connection, the site.
 *
 * One struct ctl per run, owned by main.c, used by one thread. Commands get it and
 * their operands, print results on standard output and troubles on standard error,
 * and return an exit status (enum prov_exit).
 */
#ifndef PROV_CTL_H
#define PROV_CTL_H

#include <ldap.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "error.h"
#include "ldapconn.h"
#include "options.h"

/* One accounts URL: which entries are accounts. */
struct ctl_scope {
	char *base;
	int scope;    /* LDAP_SCOPE_... */
	char *filter; /* never NULL */
};

struct ctl {
	struct prov_options opt;
	struct prov_common_options common;
	bool json;
	/* for servers whose cn=config we may not read */
	const char *policy_opt;
	struct prov_option_list accounts_opt;
	/* filled by ctl_connect() and ctl_site() */
	LDAP *ld;
	bool asked;
	struct prov_ldap_server server;
	const char *policy; /* base of the roles; NULL when unknown */
	size_t nscope;
	struct ctl_scope *scope;
};

struct ctl_command {
	const char *name;
	const char *usage; /* after "provctl [options] " */
	const char *help;  /* one line */
	const char *tail;  /* more help, or NULL */
	const struct prov_option *option;
	size_t noption;
	/* argv[0] is the command's name */
	int (*run)(struct ctl *c, int argc, char **argv);
};

extern const struct ctl_command cmd_status, cmd_explain, cmd_plan, cmd_scan, cmd_audit, cmd_outbox,
	cmd_adopt, cmd_connector, cmd_role, cmd_sync, cmd_review;

/*
 * command.c: which command argv asks for, with the options read. *cmd NULL: none is to be
 * run, and the exit status is returned (--help was answered, or the trouble said).
 * argv[*operand] is the command's name then; argv is rearranged (options.h).
 */
int ctl_choose(struct ctl *c, int argc, char **argv, const struct ctl_command **cmd, int *operand);

/* Say "provctl: text" on standard error; returns PROV_EXIT_CANNOT. */
int ctl_fail(const struct prov_error *err);
int ctl_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int ctl_nomem(void);
/* Why the server will take no write of ours at all, by the result code of one; NULL: it may take others. */
const char *ctl_takes_no_writes(int code);

/* Connect and bind, once. 0 or an exit status after saying why. */
int ctl_connect(struct ctl *c);
/* Connect, and find suffix, policy base and account scopes. 0 or an exit status. */
int ctl_site(struct ctl *c);
/* The state directory: --state, else the server's; malloc'ed. 0 or an exit status. */
int ctl_state_dir(struct ctl *c, char **out);
/* The same without a word when it cannot be known: *out is NULL then. Needs ctl_site(). */
void ctl_state_dir_try(struct ctl *c, char **out);
void ctl_dispose(struct ctl *c);

/* site.c */
int ctl_site_scopes(struct ctl *c, struct prov_error *err);

#endif
