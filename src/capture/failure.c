/*
 * capture/failure.c
 *	  Records row changes that could not become events (table
 *	  capture_failure, view capture_error).
 *
 * The rows are part of the user's transaction: if it rolls back, nothing
 * happened and nothing is reported.
 */
#include "postgres.h"

#include "commands/sequence.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "capture/internal.h"
#include "core/append.h"
#include "core/leaf.h"

/* Columns of capture_failure, in the order of state.sql. */
enum
{
	FAILURE_ID,
	FAILURE_RELATION,
	FAILURE_EVENT,
	FAILURE_OPERATION,
	FAILURE_ROW_KEY,
	FAILURE_SQLSTATE,
	FAILURE_MESSAGE,
	FAILURE_AT,
	FAILURE_CUSTOMER_ID,
	FAILURE_COLUMNS
};

struct JoFailures
{
	MemoryContext context;
	Oid			relid;
	const char *operation;
	TimestampTz at;
	JoAppend   *append;			/* made by the first failure */
};

JoFailures *
jo_failures_begin(Oid relid, const char *operation)
{
	JoFailures *failures = palloc0(sizeof(JoFailures));

	failures->context = CurrentMemoryContext;
	failures->relid = relid;
	failures->operation = operation;
	return failures;
}

void
jo_failures_add(JoFailures *failures, const char *event, const char *row_key,
				const char *customer, const char *sqlstate,
				const char *message)
{
	Datum		values[FAILURE_COLUMNS];
	bool		isnull[FAILURE_COLUMNS] = {false};

	if (failures->append == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(failures->context);

		failures->append = jo_append_begin(jo_relation_oid("capture_failure"));
		failures->at = GetCurrentTimestamp();
		MemoryContextSwitchTo(old_context);
	}

	values[FAILURE_ID] =
		Int64GetDatum(nextval_internal(jo_relation_oid("capture_failure_failure_id_seq"),
									   false));
	values[FAILURE_RELATION] = ObjectIdGetDatum(failures->relid);
	values[FAILURE_EVENT] = CStringGetTextDatum(event);
	values[FAILURE_OPERATION] = CStringGetTextDatum(failures->operation);
	isnull[FAILURE_ROW_KEY] = row_key == NULL;
	values[FAILURE_ROW_KEY] = row_key == NULL ?
		(Datum) 0 : CStringGetTextDatum(row_key);
	values[FAILURE_SQLSTATE] = CStringGetTextDatum(sqlstate);
	values[FAILURE_MESSAGE] = CStringGetTextDatum(message);
	values[FAILURE_AT] = TimestampTzGetDatum(failures->at);
	isnull[FAILURE_CUSTOMER_ID] = customer == NULL;
	values[FAILURE_CUSTOMER_ID] = customer == NULL ?
		(Datum) 0 : CStringGetTextDatum(customer);
	jo_append_row(failures->append, values, isnull);
}

void
jo_failures_end(JoFailures *failures)
{
	if (failures->append != NULL)
		jo_append_end(failures->append);
	pfree(failures);
}
