/*
 * enrollment/people.c
 *	  People inside a journey, counted and put in order for its life cycle.
 *
 * Read by one statement each, with its own snapshot: what a lane commits
 * meanwhile is found by the lane itself (reach.c).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "capture/capture.h"
#include "core/run_as.h"
#include "enrollment/life.h"

/* Rows fetched at a time. */
#define FETCH_ROWS 1000

int64
jo_people_inside(int32 journey_id, const char *state)
{
	Oid			types[2] = {INT4OID, TEXTOID};
	Datum		values[2];
	char		nulls[3] = "  ";
	JoRunAs		saved;
	bool		isnull;
	int64		count;

	values[0] = Int32GetDatum(journey_id);
	values[1] = state != NULL ? CStringGetTextDatum(state) : (Datum) 0;
	nulls[1] = state != NULL ? ' ' : 'n';
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("SELECT count(*) FROM journey_orch.enrollment"
							  " WHERE journey_id = $1 AND state <> 'ended'"
							  " AND ($2 IS NULL OR state = $2)",
							  2, types, values, nulls, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not count the people inside");
	count = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	jo_run_as_end(&saved);
	return count;
}

/* Tell one held run when it is its turn. */
static void
write_release(JoEventWriter *writer, HeapTuple tuple, TimestampTz at,
			  TimestampTz turn)
{
	JoEvent		event = {0};
	char		instant[MAXDATELEN + 1];
	char	   *enrollment_id = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 2);
	char	   *payload;

	JsonEncodeDateTime(instant, TimestampTzGetDatum(turn), TIMESTAMPTZOID,
					   NULL);
	payload = psprintf("{\"enrollment_id\": \"%s\", \"at\": \"%s\"}",
					   enrollment_id, instant);
	event.kind = JO_EVENT_KIND_COMMAND;
	event.customer_id = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 1);
	event.name = JO_COMMAND_RELEASE;
	event.instant = at;
	event.payload = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
													   CStringGetDatum(payload)));
	(void) jo_event_write(writer, &event);
}

int64
jo_people_release(int32 journey_id, double rate, TimestampTz at)
{
	Oid			types[1] = {INT4OID};
	Datum		values[1];
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "journey_orch.resume",
												  ALLOCSET_DEFAULT_SIZES);
	JoEventWriter *writer = jo_event_writer_begin();
	JoRunAs		saved;
	Portal		portal;
	int64		place = 0;

	values[0] = Int32GetDatum(journey_id);
	jo_run_as_extension(&saved);
	SPI_connect();
	portal = SPI_cursor_open_with_args(NULL,
									   "SELECT customer_id, enrollment_id"
									   " FROM journey_orch.enrollment"
									   " WHERE journey_id = $1 AND state = 'held'"
									   " ORDER BY arrived_at, COALESCE(entry_order, entry_event_id),"
									   " entry_event_id, enrollment_id",
									   1, types, values, NULL, false, 0);
	for (;;)
	{
		MemoryContext old_context;

		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		CHECK_FOR_INTERRUPTS();
		old_context = MemoryContextSwitchTo(context);
		for (uint64 row = 0; row < SPI_processed; row++)
			write_release(writer, SPI_tuptable->vals[row], at,
						  at + (TimestampTz) (place++ * 1e6 / rate));
		MemoryContextSwitchTo(old_context);
		MemoryContextReset(context);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
	jo_run_as_end(&saved);
	jo_event_writer_end(writer);
	MemoryContextDelete(context);
	return place;
}
