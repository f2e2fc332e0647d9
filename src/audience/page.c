/*
 * audience/page.c
 *	  All customers, a page at a time, in the order of their keys.
 *
 * For whoever has to look at everybody without holding a transaction open: a
 * page goes on after the last key of the one before, so it costs the same
 * wherever it is, if there is an index on the key.  A customer who is inserted
 * behind the position meanwhile is not seen, which is the caller's business.
 *
 * Reads as customer.c does: as the binding's owner, in a subtransaction that is
 * rolled back, read-only.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "audience/audience.h"
#include "audience/binding.h"
#include "core/run_as.h"

/* Take what SPI has read; strings go to "context". */
static void
take_rows(JoCustomerPage *page, int limit, MemoryContext context)
{
	MemoryContext caller = MemoryContextSwitchTo(context);
	TupleDesc	descriptor = SPI_tuptable->tupdesc;

	page->customer_ids = palloc(Max(SPI_processed, 1) * sizeof(char *));
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[row];
		char	   *id = SPI_getvalue(tuple, descriptor, 1);

		if (id != NULL)
			page->customer_ids[page->n++] = pstrdup(id);
	}
	if (SPI_processed == limit)
		page->position =
			pstrdup(SPI_getvalue(SPI_tuptable->vals[SPI_processed - 1],
								 descriptor, 2));
	MemoryContextSwitchTo(caller);
}

static void
read_page(const JoBinding *binding, const char *position, int limit,
		  JoCustomerPage *page, MemoryContext context)
{
	Oid			types[2] = {TEXTOID, INT4OID};
	Datum		values[2];
	char		nulls[3] = "  ";
	JoRunAs		saved;

	/* the end of the subtransaction restores it */
	XactReadOnly = true;

	nulls[0] = position == NULL ? 'n' : ' ';
	values[0] = position == NULL ? (Datum) 0 : CStringGetTextDatum(position);
	values[1] = Int32GetDatum(limit);
	jo_run_as_owner(&saved, binding->owner);
	jo_expression_pin_settings();
	SPI_connect();
	if (SPI_execute_with_args(jo_binding_page_statement(binding,
														position != NULL),
							  2, types, values, nulls, true,
							  0) != SPI_OK_SELECT)
		elog(ERROR, "could not read a page of customers");
	take_rows(page, limit, context);
	SPI_finish();
	jo_run_as_end(&saved);
}

JoError *
jo_customer_page(const char *position, int limit, JoCustomerPage *page)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner resource_owner = CurrentResourceOwner;
	const JoBinding *binding = jo_binding_begin(NULL);
	JoError    *volatile error = NULL;

	memset(page, 0, sizeof(JoCustomerPage));
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		read_page(binding, position, limit, page, context);
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *edata;
		bool		is_raised;

		MemoryContextSwitchTo(context);
		edata = CopyErrorData();
		is_raised = jo_error_is_interrupt(edata);
		error = jo_error_capture();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = resource_owner;
		if (is_raised)
			ReThrowError(edata);
		memset(page, 0, sizeof(JoCustomerPage));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = resource_owner;
	jo_binding_end();
	return error;
}

/* Is the relation a table that the binding's owner owns? */
static bool
is_owned_table(const JoBinding *binding)
{
	char		kind = get_rel_relkind(binding->relation);

	return (kind == RELKIND_RELATION || kind == RELKIND_PARTITIONED_TABLE) &&
		pg_class_ownercheck(binding->relation, binding->owner);
}

bool
jo_customer_rows(JoCustomerRows *rows)
{
	const JoBinding *binding = jo_binding_begin(NULL);
	bool		is_possible = binding != NULL &&
	OidIsValid(binding->type) && is_owned_table(binding);
	JoRunAs		saved;

	memset(rows, 0, sizeof(JoCustomerRows));
	if (is_possible)
	{
		jo_run_as_owner(&saved, binding->owner);
		jo_expression_pin_settings();
		jo_binding_rows(binding, rows);
		jo_run_as_end(&saved);
	}
	jo_binding_end();
	return is_possible;
}
