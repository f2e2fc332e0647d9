/*
 * audience/binding.h
 *	  The binding row, inside the room: which relation is "customer", and the
 *	  one statement that reads its rows.
 */
#ifndef JO_BINDING_H
#define JO_BINDING_H

#include "audience/audience.h"

typedef struct JoBinding
{
	Oid			relation;
	Oid			owner;			/* reads the relation with these rights */
	Oid			type;			/* row type; InvalidOid: the relation is gone */
	char	   *id_sql;
	char	   *timezone_sql;	/* or NULL */
	char	   *locale_sql;		/* or NULL */
	char	   *region_sql;		/* or NULL */
} JoBinding;

/*
 * Read the newest committed (or own) binding row, not the cached one.  False
 * when there is none; strings in CurrentMemoryContext.
 */
extern bool jo_binding_read(JoBinding *binding);

/*
 * The cached binding, NULL when there is none; good until jo_binding_end().
 * "*generation" changes whenever anything derived from the binding is stale.
 */
extern const JoBinding *jo_binding_begin(uint64 *generation);
extern void jo_binding_end(void);

/* Columns of the load statement. */
#define JO_LOAD_ORDINAL		0	/* which of the ids asked for */
#define JO_LOAD_ROW			1
#define JO_LOAD_ID			2	/* id_sql as text */
#define JO_LOAD_TIMEZONE	3
#define JO_LOAD_LOCALE		4
#define JO_LOAD_REGION		5

/*
 * Check the binding's expressions and return the load statement in
 * CurrentMemoryContext.  Its parameters are $1, an array of "*key_type" (int2,
 * int4, int8, uuid or text), and $2, an int4 array of ordinals.  Raises, with
 * the position in the expression, when one does not compile.  The caller has
 * switched to the binding's owner.
 */
extern char *jo_binding_statement(const JoBinding *binding, Oid *key_type);

/*
 * The statement that gives the same columns for rows of the relation that are
 * stored nowhere: its parameter is an array of jsonb objects, one a row.  In
 * CurrentMemoryContext; the caller has switched to the binding's owner.
 */
extern char *jo_binding_invention(const JoBinding *binding);

/*
 * The statement that reads one page of ids, with columns id and key as text, in
 * the order of the key.  Its parameters are $1, the last key before the page as
 * text (without "goes_on": of type text too, and not used), and $2, a limit.
 * Raises as above; the caller has switched to the binding's owner.
 */
extern char *jo_binding_page_statement(const JoBinding *binding, bool goes_on);

/*
 * Take what region_sql gave (or NULL), which is in the customer's memory
 * context, as is CurrentMemoryContext.
 */
extern void jo_customer_set_region(JoCustomer *customer, char *region);

/* For jo_customer_rows(), with the same conditions. */
extern void jo_binding_rows(const JoBinding *binding, JoCustomerRows *rows);

#endif							/* JO_BINDING_H */
