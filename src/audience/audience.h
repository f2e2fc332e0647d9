/*
 * audience/audience.h
 *	  Who a customer is: the bound relation, its rows, zone and locale.
 */
#ifndef JO_AUDIENCE_H
#define JO_AUDIENCE_H

#include "core/expression.h"
#include "utils/jsonb.h"

/* Composite type of the bound relation, or InvalidOid without a binding. */
extern Oid	jo_customer_type(void);

/* Relation bound, or InvalidOid; caches that depend on its columns watch it. */
extern Oid	jo_customer_relation(void);

/* One customer as read by a batch.  All in the caller's memory context. */
typedef struct JoCustomer
{
	const char *customer_id;	/* in */
	Datum		row;			/* composite of jo_customer_type() */
	bool		exists;			/* false: no such row (row is then NULL) */
	JoError    *error;			/* not NULL: this row raises when it is read
								 * (exists is then false); others may be fine */
	char	   *timezone;		/* from timezone_sql, or NULL; always one that
								 * jo_zone_find() knows */
	char	   *unknown_timezone;	/* what timezone_sql gave instead, or NULL */
	char	   *locale;			/* from locale_sql, or NULL */
} JoCustomer;

/*
 * Read the rows of n customers (ids distinct) as the binding's owner, in one
 * statement, read-only, with the active snapshot plus the transaction's own
 * writes.  Without a binding every one
 * "exists" with a NULL row.
 *
 * A row that raises (a view may divide by zero) is that customer's "error", and
 * so are several rows with his id (21000).
 * "*error" is set when the relation as such cannot be read, or the failure is
 * one that passes (deadlock, lock timeout, lack of resources); then no
 * customer is filled.  With "error" NULL the first failure is raised.  Cancel
 * and shutdown interrupts are always raised.
 */
extern void jo_customer_load(JoCustomer *customers, int n, JoError **error);

/*
 * Make customers of whom nothing is stored: rows[i] is an object that is read
 * as a row of the bound relation, and id, zone and locale are taken from it as
 * from a stored one.  Where that gives no id, and without a binding, the
 * customer_id that the caller has set stays.  As the binding's owner,
 * read-only; raises when an object is no such row.
 */
extern void jo_customer_invent(JoCustomer *customers, Jsonb *const *rows,
							   int n);

extern void jo_audience_init(void);

#endif							/* JO_AUDIENCE_H */
