/*
 * audience/invent.c
 *	  Customers of whom nothing is stored, for simulations.
 *
 * A JSON object becomes a row of the bound relation's type, and the binding's
 * own expressions say who that is and in which zone, as they do for a stored
 * one (customer.c).  A member that is no column is passed over; a column that
 * is no member is NULL, without a default: the relation is not asked.
 *
 * It runs as the owner of the binding in an internal subtransaction, read-only,
 * which is rolled back also after success.  An error is the caller's, who made
 * the objects, so it is raised.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "audience/audience.h"
#include "audience/binding.h"
#include "core/civil.h"
#include "core/run_as.h"

static Datum
column(int row, int number, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 number + 1, isnull);
}

/* A text in "context"; NULL for NULL and for the empty string. */
static char *
column_text(int row, int number, MemoryContext context)
{
	bool		isnull;
	Datum		value = column(row, number, &isnull);
	char	   *string;

	if (isnull)
		return NULL;
	string = TextDatumGetCString(value);
	return string[0] == '\0' ? NULL : MemoryContextStrdup(context, string);
}

static void
keep_row(int row, JoCustomer *customers, MemoryContext context)
{
	bool		isnull;
	JoCustomer *customer = &customers[DatumGetInt32(column(row, JO_LOAD_ORDINAL,
														   &isnull))];
	Datum		value = column(row, JO_LOAD_ROW, &isnull);
	char	   *id = column_text(row, JO_LOAD_ID, context);
	char	   *timezone = column_text(row, JO_LOAD_TIMEZONE, context);
	MemoryContext caller = MemoryContextSwitchTo(context);

	customer->row = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
	if (id != NULL)
		customer->customer_id = id;
	if (timezone != NULL && jo_zone_find(timezone) != NULL)
		customer->timezone = timezone;
	else
		customer->unknown_timezone = timezone;
	customer->locale = column_text(row, JO_LOAD_LOCALE, context);
	jo_customer_set_region(customer,
						   column_text(row, JO_LOAD_REGION, context));
	MemoryContextSwitchTo(caller);
}

/* Read the rows as the binding's owner; results go to "context". */
static void
read_rows(const JoBinding *binding, JoCustomer *customers,
		  Jsonb *const *rows, int n, MemoryContext context)
{
	Datum	   *objects = palloc(n * sizeof(Datum));
	Oid			types[1] = {JSONBARRAYOID};
	Datum		values[1];
	JoRunAs		saved;

	for (int i = 0; i < n; i++)
		objects[i] = JsonbPGetDatum(rows[i]);
	values[0] = PointerGetDatum(construct_array(objects, n, JSONBOID, -1,
												false, TYPALIGN_INT));
	/* the end of the subtransaction restores it */
	XactReadOnly = true;
	jo_run_as_owner(&saved, binding->owner);
	jo_expression_pin_settings();
	SPI_connect();
	if (SPI_execute_with_args(jo_binding_invention(binding), 1, types, values,
							  NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not make customers");
	for (uint64 row = 0; row < SPI_processed; row++)
		keep_row(row, customers, context);
	SPI_finish();
	jo_run_as_end(&saved);
}

void
jo_customer_invent(JoCustomer *customers, Jsonb *const *rows, int n)
{
	const JoBinding *binding = jo_binding_begin(NULL);
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	for (int i = 0; i < n; i++)
	{
		const char *customer_id = customers[i].customer_id;

		memset(&customers[i], 0, sizeof(JoCustomer));
		customers[i].customer_id = customer_id;
		customers[i].exists = true;
	}
	if (binding != NULL && n > 0)
	{
		BeginInternalSubTransaction(NULL);
		read_rows(binding, customers, rows, n, context);
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	jo_binding_end();
}
