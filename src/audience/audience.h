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
	char	   *region;			/* from region_sql, or NULL; always as
								 * jo_region_canonical() writes it */
	char	   *unknown_region; /* what region_sql gave instead, or NULL */
} JoCustomer;

/*
 * A region in canonical form and CurrentMemoryContext: a country of ISO 3166-1
 * or a part of one by ISO 3166-2, in upper case, such as US or US-FL.  NULL
 * when the string has not that form; that the region exists is not checked.
 */
extern char *jo_region_canonical(const char *region);

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

/* A page of customers, in an order that stays. */
typedef struct JoCustomerPage
{
	int			n;
	char	  **customer_ids;
	char	   *position;		/* where the next one begins; NULL: that was
								 * the last */
} JoCustomerPage;

/*
 * Read the ids of at most "limit" customers after a position of an earlier
 * page (NULL: the first), as the binding's owner, read-only, with the active
 * snapshot.  Returns NULL, or the error and no customers.  Interrupts are
 * raised.  There must be a binding.
 */
extern JoError *jo_customer_page(const char *position, int limit,
								 JoCustomerPage *page);

/* How changes of the bound relation's rows can be watched. */
typedef struct JoCustomerRows
{
	Oid			relation;
	char	   *new_id;			/* id_sql over NEW, and over OLD */
	char	   *old_id;
	Bitmapset  *id_columns;		/* that id_sql reads */
	Bitmapset  *zone_columns;	/* that timezone_sql reads */
} JoCustomerRows;

/*
 * False where they cannot: there is no binding, it is no table, or its owner
 * does not own the table.  In CurrentMemoryContext.
 */
extern bool jo_customer_rows(JoCustomerRows *rows);

/*
 * Called in the transaction that has bound another relation, or the same one in
 * another way.  Set by the room that watches it; NULL: nobody does.
 */
typedef void (*JoCustomerBound) (void);
extern JoCustomerBound jo_customer_bound;

extern void jo_audience_init(void);

#endif							/* JO_AUDIENCE_H */
