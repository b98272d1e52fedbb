/* delivery_tables.h - the tables of the delivery environment, for the files that know them. */
#ifndef PROV_DELIVERY_TABLES_H
#define PROV_DELIVERY_TABLES_H

enum prov_delivery_table {
	PROV_T_CURSOR,
	PROV_T_EXCEPTION,
	PROV_T_REMOTE,
	PROV_T_REPORT,
	PROV_T_REFUSED,
	PROV_T_DELIVERY_META,
};
#define PROV_DELIVERY_TABLES "cursor", "exception", "remote", "report", "refused", "meta"

#define PROV_DELIVERY_KEY_MOST 480 /* LMDB's limit is 511 */

#endif
