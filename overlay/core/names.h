/* names.h - OIDs of controls, what events are called. Spelled once. */
#ifndef PROV_NAMES_H
#define PROV_NAMES_H

#define PROV_OID "2.25.138208666745501617578682107937749081279"
#define PROV_CTL_REASON PROV_OID ".5.1"
#define PROV_CTL_PLAN PROV_OID ".5.2"
#define PROV_CTL_OVERRIDE PROV_OID ".5.3" /* go on past the breaker */
#define PROV_CTL_ADOPT PROV_OID ".5.4"    /* evaluate this account whatever the modify touches */
#define PROV_CTL_NOOP "1.3.6.1.4.1.4203.666.5.2"

#define PROV_EVENT_PREFIX "org.slapo-provision." /* of every event's type */

#endif
