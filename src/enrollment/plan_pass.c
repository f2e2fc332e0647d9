/*
 * enrollment/plan_pass.c
 *	  A lane's look at the dates of all customers, a page a batch.
 *
 * When a journey that a date enters is published, its customers are there
 * already; and where changes of their rows cannot be watched (plan_watch.c),
 * they are looked at from time to time.  Both are asked for by a command "$plan"
 * to every lane, without a customer.  The lane notes a pass, and from then on
 * each of its batches reads a page of the bound relation and gives every
 * customer of its own an input "$plan" (plan.c), until there is no more.  The
 * position commits with what was done, so a pass goes on after a crash, and
 * nothing of it stands in the log, where claim() would wait for it.
 *
 * Every lane reads all keys: 16 reads of an index instead of a list that all
 * lanes would have to share.
 *
 * The same command with "drop" takes away what was planned, when the journey
 * takes nobody any more.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "enrollment/batch.h"
#include "enrollment/json.h"

/* Most keys of a page, and so the most customers that a pass adds to a batch. */
#define MOST_KEYS 65536

/* One row of plan_pass. */
typedef struct JoPass
{
	int32		journey_id;		/* 0: all */
	int64		ticket;
	TimestampTz since;
	TimestampTz clock;
	TimestampTz started_at;
	TimestampTz finished_at;	/* JO_NO_TIME: under way */
	int64		customers;
	char	   *position;
	char	   *error;
	bool		drops;			/* what is planned, at the end of this batch */
	bool		waits;			/* begins after what is dropped is gone */
	bool		is_gone;
	bool		is_changed;
} JoPass;

/* Is it a command "$plan" to the lane?  Then keep it. */
void
jo_pass_add_request(JoBatch *batch, JoEvent *event)
{
	if (event->kind == JO_EVENT_KIND_COMMAND &&
		event->customer_id[0] == '\0' &&
		jo_streq(event->name, JO_COMMAND_PLAN))
		batch->plan_requests = lappend(batch->plan_requests, event);
}

/* Nearly always nobody was ever looked at. */
static bool
is_table_empty(void)
{
	Relation	table = table_open(jo_relation_oid("plan_pass"),
								   AccessShareLock);
	bool		is_empty = RelationGetNumberOfBlocks(table) == 0;

	table_close(table, NoLock);
	return is_empty;
}

static TimestampTz
get_time(HeapTuple tuple, int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(tuple, SPI_tuptable->tupdesc, column,
									  &isnull);

	return isnull ? JO_NO_TIME : DatumGetTimestampTz(value);
}

static int64
get_number(HeapTuple tuple, int column)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, column,
									   &isnull));
}

static void
add_pass(JoBatch *batch, HeapTuple tuple)
{
	JoPass	   *pass = palloc0(sizeof(JoPass));

	pass->journey_id = get_number(tuple, 1);
	pass->ticket = get_number(tuple, 2);
	pass->since = get_time(tuple, 3);
	pass->clock = get_time(tuple, 4);
	pass->started_at = get_time(tuple, 5);
	pass->finished_at = get_time(tuple, 6);
	pass->customers = get_number(tuple, 7);
	pass->position = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 8);
	pass->error = SPI_getvalue(tuple, SPI_tuptable->tupdesc, 9);
	batch->passes = lappend(batch->passes, pass);
}

/* Read the lane's passes: those under way, or all of them. */
static void
read_passes(JoBatch *batch, bool finished)
{
	Oid			types[2] = {INT4OID, BOOLOID};
	Datum		values[2];
	MemoryContext context = CurrentMemoryContext;
	JoRunAs		saved;

	values[0] = Int32GetDatum(batch->lane);
	values[1] = BoolGetDatum(finished);
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args("SELECT journey_id::bigint, ticket, since, clock, started_at,"
							  " finished_at, customers, position, error"
							  " FROM journey_orch.plan_pass"
							  " WHERE lane = $1 AND ($2 OR finished_at IS NULL)"
							  " ORDER BY ticket, journey_id",
							  2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the looks at all dates");
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		MemoryContext caller = MemoryContextSwitchTo(context);

		add_pass(batch, SPI_tuptable->vals[row]);
		MemoryContextSwitchTo(caller);
	}
	SPI_finish();
	jo_run_as_end(&saved);
}

static JoPass *
get_pass(JoBatch *batch, int32 journey_id)
{
	JoPass	   *pass;
	ListCell   *cell;

	foreach(cell, batch->passes)
	{
		pass = lfirst(cell);
		if (pass->journey_id == journey_id)
			return pass;
	}
	pass = palloc0(sizeof(JoPass));
	pass->journey_id = journey_id;
	pass->since = pass->clock = JO_NO_TIME;
	batch->passes = lappend(batch->passes, pass);
	return pass;
}

/*
 * Begin a pass, or begin it again.  One for all journeys, which is made because
 * changes are not seen, asks what has passed since the last one began that did
 * not fail.
 */
static void
begin_pass(JoPass *pass, const JoEvent *event)
{
	bool		is_under_way = pass->clock != JO_NO_TIME &&
	pass->finished_at == JO_NO_TIME && !pass->drops;

	if (pass->journey_id != 0 || pass->clock == JO_NO_TIME ||
		pass->clock > event->instant)
		pass->since = event->instant;
	else if (!is_under_way && pass->error == NULL)
		pass->since = pass->clock;
	pass->clock = event->instant;
	pass->ticket = event->seq;
	pass->started_at = GetCurrentTimestamp();
	pass->finished_at = JO_NO_TIME;
	pass->customers = 0;
	pass->position = pass->error = NULL;
	pass->waits = pass->drops;
	pass->is_gone = false;
	pass->is_changed = true;
}

/* What the commands of this batch ask for, in their order. */
static void
apply_requests(JoBatch *batch)
{
	ListCell   *cell;

	foreach(cell, batch->plan_requests)
	{
		const JoEvent *event = lfirst(cell);
		JoPass	   *pass = get_pass(batch, jo_json_int(event->payload,
													   "journey_id", 0));

		if (jo_json_bool(event->payload, "drop"))
			pass->drops = pass->is_gone = pass->is_changed = true;
		else
			begin_pass(pass, event);
	}
}

static int
compare_events(const ListCell *a, const ListCell *b)
{
	const JoEvent *left = lfirst(a);
	const JoEvent *right = lfirst(b);

	return left->seq < right->seq ? -1 : left->seq > right->seq;
}

/* The input by which the customers of a page look at their dates. */
static JoEvent *
make_event(const JoPass *pass)
{
	JoEvent    *event = palloc0(sizeof(JoEvent));
	JsonbValue	published = {.type = jbvBool,.val.boolean = true};

	event->kind = JO_EVENT_KIND_COMMAND;
	event->name = JO_COMMAND_PLAN;
	event->seq = event->act_seq = event->identity = pass->ticket;
	event->instant = pass->clock;
	event->payload = jo_json_put_time(NULL, "since", pass->since);
	if (pass->journey_id != 0)
	{
		event->payload = jo_json_put_int(event->payload, "journey_id",
										 pass->journey_id);
		event->payload = jo_jsonb_put(event->payload, "published",
									  JsonbValueToJsonb(&published));
	}
	return event;
}

/* Make the lane's customers of the page members of the batch. */
static void
add_customers(JoBatch *batch, JoPass *pass, const JoCustomerPage *page)
{
	JoEvent    *event = make_event(pass);

	for (int i = 0; i < page->n; i++)
	{
		char	   *id = page->customer_ids[i];
		JoMember   *member;
		JoEvent    *own;

		if (id[0] == '\0' || strlen(id) > JO_CUSTOMER_BYTES ||
			jo_lane_of(id, strlen(id)) != batch->lane)
			continue;
		member = jo_batch_member(batch, id);
		own = palloc(sizeof(JoEvent));
		*own = *event;
		own->customer_id = member->customer_id;
		member->events = lappend(member->events, own);
		if (list_length(member->events) > 1)
			list_sort(member->events, compare_events);
		pass->customers++;
	}
}

static void
read_page(JoBatch *batch, JoPass *pass)
{
	JoCustomerPage page = {0};
	JoError    *error = NULL;

	if (batch->has_binding)
		error = jo_customer_page(pass->position,
								 Min(batch->limit, MOST_KEYS / JO_LANES) *
								 JO_LANES, &page);
	add_customers(batch, pass, &page);
	pass->position = page.position;
	if (page.position == NULL)
		pass->finished_at = GetCurrentTimestamp();
	if (error != NULL)
		pass->error = error->message;
	pass->is_changed = true;
}

/*
 * Apply what was asked for, and go on with the oldest pass.  One whose journey
 * is dropped in this batch gets a page before, for what comes between the two.
 */
void
jo_pass_read(JoBatch *batch)
{
	bool		has_page = false;
	ListCell   *cell;

	if (batch->plan_requests == NIL && is_table_empty())
		return;
	read_passes(batch, batch->plan_requests != NIL);
	apply_requests(batch);
	foreach(cell, batch->passes)
	{
		JoPass	   *pass = lfirst(cell);

		if (pass->finished_at != JO_NO_TIME || pass->waits ||
			pass->clock == JO_NO_TIME)
			continue;
		if (!has_page)
			read_page(batch, pass);
		has_page = true;
	}
	foreach(cell, batch->passes)
	{
		JoPass	   *pass = lfirst(cell);

		if (pass->finished_at == JO_NO_TIME && !pass->is_gone)
			batch->more = true;
	}
}

/*
 * Take away what is to come.  What has been taken is forgotten only with the
 * journey: published again, it must not enter by the same dates again.
 */
static void
drop_plans(JoBatch *batch, const JoPass *pass)
{
	Oid			types[2] = {INT4OID, INT4OID};
	Datum		values[2];

	values[0] = Int32GetDatum(batch->lane);
	values[1] = Int32GetDatum(pass->journey_id);
	SPI_execute_with_args("DELETE FROM journey_orch.planned_entry"
						  " WHERE lane = $1 AND journey_id = $2"
						  " AND last_at IS NULL",
						  2, types, values, NULL, false, 0);
	SPI_execute_with_args("UPDATE journey_orch.planned_entry SET due_at = NULL,"
						  " generation = generation + 1"
						  " WHERE lane = $1 AND journey_id = $2"
						  " AND due_at IS NOT NULL",
						  2, types, values, NULL, false, 0);
	SPI_execute_with_args("DELETE FROM journey_orch.plan_pass"
						  " WHERE lane = $1 AND journey_id = $2",
						  2, types, values, NULL, false, 0);
}

static void
write_pass(JoBatch *batch, const JoPass *pass)
{
	Oid			types[10] = {INT4OID, INT4OID, INT8OID, TIMESTAMPTZOID,
		TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, TEXTOID,
	TEXTOID};
	Datum		values[10];
	char		nulls[11] = "          ";

	values[0] = Int32GetDatum(pass->journey_id);
	values[1] = Int32GetDatum(batch->lane);
	values[2] = Int64GetDatum(pass->ticket);
	values[3] = TimestampTzGetDatum(pass->since);
	values[4] = TimestampTzGetDatum(pass->clock);
	values[5] = TimestampTzGetDatum(pass->started_at);
	values[6] = TimestampTzGetDatum(pass->finished_at);
	values[7] = Int64GetDatum(pass->customers);
	values[8] = pass->position ? CStringGetTextDatum(pass->position) : 0;
	values[9] = pass->error ? CStringGetTextDatum(pass->error) : 0;
	nulls[6] = pass->finished_at == JO_NO_TIME ? 'n' : ' ';
	nulls[8] = pass->position == NULL ? 'n' : ' ';
	nulls[9] = pass->error == NULL ? 'n' : ' ';
	SPI_execute_with_args("INSERT INTO journey_orch.plan_pass (journey_id, lane, ticket, since, clock,"
						  " started_at, finished_at, customers, position, error)"
						  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
						  " ON CONFLICT (journey_id, lane) DO UPDATE SET ticket = excluded.ticket,"
						  " since = excluded.since, clock = excluded.clock, started_at = excluded.started_at,"
						  " finished_at = excluded.finished_at, customers = excluded.customers,"
						  " position = excluded.position, error = excluded.error",
						  10, types, values, nulls, false, 0);
}

/* Write how far the passes are; after the rows of the batch's customers. */
void
jo_pass_write(JoBatch *batch)
{
	ListCell   *cell;
	JoRunAs		saved;

	if (batch->passes == NIL)
		return;
	CommandCounterIncrement();
	jo_run_as_extension(&saved);
	SPI_connect();
	foreach(cell, batch->passes)
	{
		const JoPass *pass = lfirst(cell);

		if (pass->drops)
			drop_plans(batch, pass);
		if (pass->is_changed && !pass->is_gone)
			write_pass(batch, pass);
	}
	SPI_finish();
	jo_run_as_end(&saved);
}
