/* slapd.h - slapd's own headers, in the one order that works. Include nothing of slapd elsewhere. */
#ifndef PROV_SLAPD_H
#define PROV_SLAPD_H

#include "portable.h"

#include <stdio.h>

#include <ac/socket.h>
#include <ac/string.h>
#include <ac/time.h>

#include "slap.h"

#include "slap-config.h"
#include "lutil.h"
#include "ldap_rq.h"

#endif
