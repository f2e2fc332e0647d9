/*
 * enrollment/fan_out.c
 *	  Entry of many by one event: an audience is told, chunk by chunk.
 *
 * The batch that applies the event writes one row of fan_out, and no more: how
 * large the audience is must not matter to the customers of its lane.  Any
 * process that advances lanes then takes the row in chunks.  A chunk is a
 * transaction: it asks the audience, as it is then, for the next customers by
 * id, appends a command for each, and moves last_customer on.  A kill at any
 * point leaves whole chunks (test/tap/fan_out.pl), and since pages follow one
 * another by id nobody is told twice of one event.
 *
 * The command enters the customer in his lane by the rules of any newcomer,
 * with that event as the entry event, at its instant, in the version that the
 * event met.  Where the journey is stopped meanwhile the rest is not told.
 *
 * One process works on the fan-outs of a journey at a time, in the order of
 * their events, so that a customer meets two of them in that order: it holds
 * JO_LOCK_FAN_OUT, taken before its snapshot, as for a lane.  Nothing else updates the row while it
 * is running.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "core/definition.h"
#include "core/errors.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "core/upkeep.h"
#include "enrollment/batch.h"
#include "enrollment/fan_out.h"
#include "enrollment/json.h"
#include "enrollment/life.h"
#include "journey/author.h"

/* Events that cause each other before they are taken to be spinning; as in
 * cause.c. */
#define DEPTH_LIMIT 32

/* Open fan-outs looked at to find one that nobody works on. */
#define LOOK_AHEAD "100"

PG_FUNCTION_INFO_V1(journey_orch_retry_fan_out);

/* The one that this process has tried last; 0: none. */
static int64 current_event = 0;
static int32 current_journey = 0;

/* ---- the lane's side ---- */

/* The member's event is to enter the graph's audience. */
void
jo_fan_out_begin(JoBatch *batch, JoMember *member, const JoGraph *graph)
{
	const JoEvent *event = member->event;
	JoFanOut   *fan_out = palloc0(sizeof(JoFanOut));

	fan_out->event_id = event->seq;
	fan_out->at = member->now;
	fan_out->journey_id = graph->journey_id;
	fan_out->version = graph->version;
	fan_out->depth = event->depth;
	fan_out->event = event->name;
	fan_out->payload = event->payload;
	fan_out->last_customer = "";
	fan_out->refusal = jo_act_refusal(jo_act_met(graph->journey_id, event));
	if (fan_out->refusal == NULL && event->depth >= DEPTH_LIMIT)
		fan_out->refusal = "spin";
	batch->fan_outs = lappend(batch->fan_outs, fan_out);
	batch->has_fan_outs = true;
}

void
jo_fan_out_insert(const JoFanOut *fan_out)
{
	Oid			types[] = {INT8OID, TIMESTAMPTZOID, INT4OID, INT4OID, INT4OID,
		TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, OIDOID,
	TEXTOID};
	Datum		values[13];
	char		nulls[] = "        nnnnn";

	values[0] = Int64GetDatum(fan_out->event_id);
	values[1] = TimestampTzGetDatum(fan_out->at);
	values[2] = Int32GetDatum(fan_out->journey_id);
	values[3] = Int32GetDatum(fan_out->version);
	values[4] = Int32GetDatum(fan_out->depth);
	values[5] = CStringGetTextDatum(fan_out->refusal == NULL ? "running" :
									"refused");
	values[6] = CStringGetTextDatum(fan_out->event);
	values[7] = JsonbPGetDatum(fan_out->payload);
	if (fan_out->refusal != NULL)
	{
		values[8] = CStringGetTextDatum(fan_out->refusal);
		nulls[8] = ' ';
	}
	if (fan_out->schedule != NULL)
	{
		values[9] = CStringGetTextDatum(fan_out->schedule);
		values[10] = TimestampTzGetDatum(fan_out->at);
		nulls[9] = nulls[10] = ' ';
	}
	if (fan_out->audience != NULL)
	{
		values[11] = ObjectIdGetDatum(fan_out->owner);
		values[12] = CStringGetTextDatum(fan_out->audience);
		nulls[11] = nulls[12] = ' ';
	}
	if (SPI_execute_with_args("INSERT INTO journey_orch.fan_out (event_id, at,"
							  " started_at, changed_at, customers, journey_id,"
							  " version, chunks, depth, state, last_customer,"
							  " event, payload, message, schedule, planned_at,"
							  " owner, audience)"
							  " VALUES ($1, $2, clock_timestamp(),"
							  " clock_timestamp(), 0, $3, $4, 0, $5, $6, '',"
							  " $7, $8, $9, $10, $11, $12, $13)",
							  13, types, values, nulls, false,
							  0) != SPI_OK_INSERT)
		elog(ERROR, "could not write a fan-out");
}

/* Write what the batch has begun. */
void
jo_fan_out_write(JoBatch *batch)
{
	JoRunAs		saved;
	ListCell   *cell;

	if (batch->fan_outs == NIL)
		return;
	jo_run_as_extension(&saved);
	SPI_connect();
	foreach(cell, batch->fan_outs)
		jo_fan_out_insert(lfirst(cell));
	SPI_finish();
	jo_run_as_end(&saved);
}

/* ---- one page ---- */

/* The variables of the audience: the event, and which page. */
static JoVariables
make_variables(const JoFanOut *fan_out, const JoGraph *graph,
			   const JoExpression *audience, int limit)
{
	JoBatch		batch = {.round = CurrentMemoryContext};
	JoEvent		event = {.name = fan_out->event,.payload = fan_out->payload};
	JoMember	member = {.customer_id = "",.now = fan_out->at,.event = &event};
	JoVariables variables;
	Jsonb	   *page;

	variables = *jo_event_variables(&batch, &member, graph,
									jo_expression_uses(audience));
	page = jo_json_put_string(NULL, "after", fan_out->last_customer);
	page = jo_json_put_int(page, "limit", limit);
	variables.context = JsonbPGetDatum(page);
	return variables;
}

/* The next customers of the audience; their number, or -1 with *error. */
static int
read_page(const JoFanOut *fan_out, const JoGraph *graph, int limit,
		  Datum **customers, JoError **error)
{
	JoExpression *audience = graph->entry.audience;
	JoVariables variables;
	const JoVariables *rows = &variables;
	Datum		value;
	bool		isnull;
	int			n;

	if (fan_out->audience != NULL)
	{
		audience = jo_audience_compile(fan_out->audience, fan_out->owner,
									   false, error);
		if (audience == NULL)
			return -1;
	}
	variables = make_variables(fan_out, graph, audience, limit);
	jo_expression_evaluate(audience, 1, &rows, &value, &isnull,
						   error);
	if (*error != NULL)
		return -1;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
					  TYPALIGN_INT, customers, NULL, &n);
	return n;
}

/* What every command of the fan-out says; see jo_entry_existing(). */
static Jsonb *
make_payload(const JoFanOut *fan_out)
{
	Jsonb	   *payload = jo_jsonb_put(NULL, "event", fan_out->payload);

	payload = jo_json_put_int(payload, "journey_id", fan_out->journey_id);
	payload = jo_json_put_int(payload, "version", fan_out->version);
	payload = jo_json_put_string(payload, "name", fan_out->event);
	if (fan_out->audience != NULL)
		payload = jo_json_put_string(payload, "decided", "yes");
	return jo_json_put_int(payload, "fan_out", fan_out->event_id);
}

/* Tell these customers to enter. */
static void
write_commands(JoFanOut *fan_out, const Datum *customers, int n)
{
	Jsonb	   *payload = make_payload(fan_out);
	JoEventCause cause = {.instant = fan_out->at,.depth = fan_out->depth + 1};
	const JoEventCause *outer = jo_event_cause;
	JoEventWriter *writer;

	if (n == 0)
		return;
	if (fan_out->depth > 0)
		jo_event_cause = &cause;
	PG_TRY();
	{
		writer = jo_event_writer_begin();
		for (int i = 0; i < n; i++)
		{
			JoEvent		event = {0};

			event.kind = JO_EVENT_KIND_COMMAND;
			event.customer_id = TextDatumGetCString(customers[i]);
			event.name = JO_COMMAND_EXISTING;
			event.instant = fan_out->at;
			event.payload = payload;
			(void) jo_event_write(writer, &event);
			if (i == n - 1)
				fan_out->last_customer = event.customer_id;
			else
				pfree(event.customer_id);
		}
		jo_event_writer_end(writer);
	}
	PG_FINALLY();
	{
		jo_event_cause = outer;
	}
	PG_END_TRY();
}

/*
 * Tell one page.  Returns how many customers that were, fewer than "limit" at
 * the end of the audience, or -1 with *error.
 */
static int
tell_page(JoFanOut *fan_out, const JoGraph *graph, int limit, JoError **error)
{
	Datum	   *customers;
	int			n;

	*error = graph->error;
	if (*error != NULL)
		return -1;
	n = read_page(fan_out, graph, limit, &customers, error);
	if (n > 0)
		write_commands(fan_out, customers, n);
	return n;
}

/*
 * A trial tells its audiences at once: who is told is then a customer whom its
 * transaction has touched.  An audience that raises raises here.
 */
void
jo_fan_out_try(JoBatch *batch)
{
	ListCell   *cell;

	foreach(cell, batch->fan_outs)
	{
		JoFanOut   *fan_out = lfirst(cell);
		JoError    *error;
		int			n;

		if (fan_out->refusal != NULL)
			continue;
		do
		{
			CHECK_FOR_INTERRUPTS();
			n = tell_page(fan_out, jo_graph(fan_out->journey_id,
											fan_out->version),
						  jo_fan_out_chunk, &error);
			if (n < 0)
				ereport(ERROR,
						(errcode(MAKE_SQLSTATE(error->sqlstate[0],
											   error->sqlstate[1],
											   error->sqlstate[2],
											   error->sqlstate[3],
											   error->sqlstate[4])),
						 errmsg("could not ask the audience of event \"%s\": %s",
								fan_out->event, error->message)));
		} while (n == jo_fan_out_chunk);
		batch->has_called = true;
	}
}

/* ---- working it off ---- */

/*
 * Lock the oldest open fan-out of a journey that nobody works on, or with
 * "waits" of the first one.  False: there is none.
 */
static bool
lock_next(bool waits)
{
	bool		isnull;
	uint64		n;

	if (SPI_execute("SELECT min(event_id) AS event_id, journey_id"
					" FROM journey_orch.fan_out WHERE state = 'running'"
					" GROUP BY journey_id ORDER BY 1, 2"
					" LIMIT " LOOK_AHEAD, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the open fan-outs");
	n = SPI_processed;
	for (uint64 i = 0; i < n; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];

		current_event = DatumGetInt64(SPI_getbinval(tuple,
													SPI_tuptable->tupdesc, 1,
													&isnull));
		current_journey = DatumGetInt32(SPI_getbinval(tuple,
													  SPI_tuptable->tupdesc,
													  2, &isnull));
		if (jo_lock_conditional(JO_LOCK_FAN_OUT, current_journey))
			return true;
		if (waits)
		{
			jo_lock(JO_LOCK_FAN_OUT, current_journey);
			return true;
		}
	}
	current_event = 0;
	return false;
}

/* Read the locked fan-out; false when it is open no longer. */
static bool
read_current(JoFanOut *fan_out)
{
	Oid			types[] = {INT8OID, INT4OID};
	Datum		values[] = {Int64GetDatum(current_event),
	Int32GetDatum(current_journey)};
	HeapTuple	tuple;
	TupleDesc	descriptor;
	bool		isnull;

	if (SPI_execute_with_args("SELECT at, version, depth, event, payload,"
							  " last_customer, owner::oid, audience"
							  " FROM journey_orch.fan_out"
							  " WHERE event_id = $1 AND journey_id = $2"
							  " AND state = 'running'", 2, types, values, NULL,
							  false, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read a fan-out");
	if (SPI_processed == 0)
		return false;
	tuple = SPI_tuptable->vals[0];
	descriptor = SPI_tuptable->tupdesc;
	memset(fan_out, 0, sizeof(JoFanOut));
	fan_out->event_id = current_event;
	fan_out->journey_id = current_journey;
	fan_out->at = DatumGetTimestampTz(SPI_getbinval(tuple, descriptor, 1,
													&isnull));
	fan_out->version = DatumGetInt32(SPI_getbinval(tuple, descriptor, 2,
												   &isnull));
	fan_out->depth = DatumGetInt16(SPI_getbinval(tuple, descriptor, 3,
												 &isnull));
	fan_out->event = SPI_getvalue(tuple, descriptor, 4);
	fan_out->payload =
		DatumGetJsonbPCopy(SPI_getbinval(tuple, descriptor, 5, &isnull));
	fan_out->last_customer = SPI_getvalue(tuple, descriptor, 6);
	fan_out->owner = DatumGetObjectId(SPI_getbinval(tuple, descriptor, 7,
													&isnull));
	fan_out->audience = SPI_getvalue(tuple, descriptor, 8);
	return true;
}

/* Write how far it is, and what becomes of it. */
static void
update_current(const char *state, int customers, const char *last_customer,
			   const char *sqlstate, const char *message)
{
	Oid			types[] = {INT8OID, INT4OID, TEXTOID, INT4OID, TEXTOID, TEXTOID,
	TEXTOID};
	Datum		values[7] = {0};
	char		nulls[] = "    nnn";

	values[0] = Int64GetDatum(current_event);
	values[1] = Int32GetDatum(current_journey);
	values[2] = CStringGetTextDatum(state);
	values[3] = Int32GetDatum(customers);
	if (last_customer != NULL)
	{
		values[4] = CStringGetTextDatum(last_customer);
		nulls[4] = ' ';
	}
	if (sqlstate != NULL)
	{
		values[5] = CStringGetTextDatum(sqlstate);
		values[6] = CStringGetTextDatum(message);
		nulls[5] = nulls[6] = ' ';
	}
	if (SPI_execute_with_args("UPDATE journey_orch.fan_out SET state = $3,"
							  " chunks = chunks + ($4 > 0)::integer,"
							  " customers = customers + $4,"
							  " last_customer = coalesce($5, last_customer),"
							  " sqlstate = $6, message = $7,"
							  " changed_at = clock_timestamp()"
							  " WHERE event_id = $1 AND journey_id = $2",
							  7, types, values, nulls, false,
							  0) != SPI_OK_UPDATE)
		elog(ERROR, "could not write a fan-out");
}

/* One chunk of the locked fan-out, with the caches of definitions open. */
static void
work_off(JoFanOut *fan_out)
{
	const JoAct *act = jo_act_before(fan_out->journey_id, PG_INT64_MAX);
	const JoGraph *graph = jo_graph(fan_out->journey_id, fan_out->version);
	JoError    *error;
	int			n;

	if (act == NULL || act->state == JO_JOURNEY_ARCHIVED ||
		jo_act_stops_after(fan_out->journey_id, fan_out->event_id))
	{
		update_current("stopped", 0, NULL, NULL, NULL);
		return;
	}
	if (graph == NULL)
	{
		update_current("failed", 0, NULL, "42704",
					   "its version does not exist any more");
		return;
	}
	n = tell_page(fan_out, graph, jo_fan_out_chunk, &error);
	if (n < 0)
		update_current("failed", 0, NULL, error->sqlstate, error->message);
	else
		update_current(n < jo_fan_out_chunk ? "done" : "running", n,
					   fan_out->last_customer, NULL, NULL);
}

static void
work_off_with_caches(JoFanOut *fan_out)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	jo_definition_adopt(GetActiveSnapshot());
	jo_journey_cache_begin();
	PG_TRY();
	{
		work_off(fan_out);
	}
	PG_FINALLY();
	{
		jo_journey_cache_end();
	}
	PG_END_TRY();
	PopActiveSnapshot();
}

JoFanOutResult
jo_fan_out_run(bool waits, TimestampTz until)
{
	JoFanOutResult result = JO_FAN_OUT_NONE;
	JoFanOut	fan_out;
	JoRunAs		saved;

	if (!jo_leaf_exists())
		return JO_FAN_OUT_NONE;
	/* SPI asks for one; each statement takes a newer one for itself */
	PushActiveSnapshot(GetTransactionSnapshot());
	jo_run_as_extension(&saved);
	SPI_connect();
	if (lock_next(waits))
	{
		result = JO_FAN_OUT_WORKED;
		if (read_current(&fan_out))
			work_off_with_caches(&fan_out);
		current_event = 0;
	}
	else if (jo_schedule_step(until, waits))
		result = JO_FAN_OUT_WORKED;
	if (result == JO_FAN_OUT_WORKED)
		jo_lane_mark(JO_EVERY_LANE);
	SPI_finish();
	jo_run_as_end(&saved);
	PopActiveSnapshot();
	return result;
}

void
jo_fan_out_give_up(const ErrorData *edata)
{
	JoFanOut	fan_out;
	JoRunAs		saved;

	if (current_event == 0)
		return;
	jo_lock(JO_LOCK_FAN_OUT, current_journey);
	PushActiveSnapshot(GetTransactionSnapshot());
	jo_run_as_extension(&saved);
	SPI_connect();
	if (read_current(&fan_out))
		update_current("failed", 0, NULL, unpack_sql_state(edata->sqlerrcode),
					   edata->message ? edata->message : "");
	SPI_finish();
	jo_run_as_end(&saved);
	PopActiveSnapshot();
	current_event = 0;
}

bool
jo_fan_out_is_open(void)
{
	JoRunAs		saved;
	bool		is_open;

	PushActiveSnapshot(GetLatestSnapshot());
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute("SELECT FROM journey_orch.fan_out WHERE state = 'running'",
					true, 1) != SPI_OK_SELECT)
		elog(ERROR, "could not read the open fan-outs");
	is_open = SPI_processed > 0;
	SPI_finish();
	jo_run_as_end(&saved);
	PopActiveSnapshot();
	return is_open;
}

/* Tell the processes that advance lanes that there is something to work off. */
void
jo_fan_out_ring(void)
{
	JoEvent		event = {0};

	event.kind = JO_EVENT_KIND_COMMAND;
	event.customer_id = "";
	event.name = JO_COMMAND_FAN_OUT;
	event.payload = jo_jsonb_empty();
	jo_event_append(&event, 1);
}

/* JoPrune: planned times that came long ago, but the last of a schedule. */
static int64
prune_occurrences(void)
{
	return jo_prune_rows("DELETE FROM journey_orch.occurrence"
						 " WHERE ctid = ANY(ARRAY(SELECT o.ctid"
						 "  FROM journey_orch.occurrence AS o"
						 "  WHERE o.made_at < $1"
						 "  AND EXISTS (SELECT FROM journey_orch.occurrence AS l"
						 "   WHERE l.schedule = o.schedule"
						 "   AND l.planned_at > o.planned_at)"
						 "  LIMIT 10000))",
						 GetCurrentTimestamp() - JO_PRUNE_AFTER);
}

/* JoPrune: what ended long ago. */
static int64
prune(void)
{
	return jo_prune_rows("DELETE FROM journey_orch.fan_out"
						 " WHERE ctid = ANY(ARRAY(SELECT ctid"
						 "  FROM journey_orch.fan_out WHERE state <> 'running'"
						 "  AND changed_at < $1 LIMIT 10000))",
						 GetCurrentTimestamp() - JO_PRUNE_AFTER);
}

static const JoPrune fan_out_prune = {"fan_out", prune};
static const JoPrune occurrence_prune = {"occurrence", prune_occurrences};

void
jo_fan_out_init(void)
{
	jo_prune_register(&fan_out_prune);
	jo_prune_register(&occurrence_prune);
}

/* Open one that has failed; false when there is none. */
static bool
reopen(const char *journey, int64 event_id)
{
	Oid			types[] = {TEXTOID, INT8OID};
	Datum		values[] = {CStringGetTextDatum(journey),
	Int64GetDatum(event_id)};
	JoRunAs		saved;
	bool		is_open;

	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("UPDATE journey_orch.fan_out AS f"
							  " SET state = 'running', sqlstate = NULL,"
							  " message = NULL, changed_at = clock_timestamp()"
							  " FROM journey_orch.journey AS j"
							  " WHERE j.name = $1 AND f.journey_id = j.journey_id"
							  " AND f.event_id = $2 AND f.state = 'failed'",
							  2, types, values, NULL, false,
							  0) != SPI_OK_UPDATE)
		elog(ERROR, "could not open a fan-out again");
	is_open = SPI_processed > 0;
	SPI_finish();
	jo_run_as_end(&saved);
	return is_open;
}

/* retry_fan_out(journey, event_id) returns void */
Datum
journey_orch_retry_fan_out(PG_FUNCTION_ARGS)
{
	char	   *journey;

	PreventCommandIfReadOnly("journey_orch.retry_fan_out()");
	jo_ensure_not_null(fcinfo, 0, "journey");
	jo_ensure_not_null(fcinfo, 1, "event_id");
	journey = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (!reopen(journey, PG_GETARG_INT64(1)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("journey \"%s\" has no failed fan-out of event %lld",
						jo_clipped(journey), (long long) PG_GETARG_INT64(1)),
				 errhint("View journey_orch.fan_out_status lists them.")));
	jo_fan_out_ring();
	PG_RETURN_VOID();
}
