/*
 * enrollment/existing.c
 *	  Existing customers of a journey that is published: those whose newest
 *	  entry event in the log meets the entry's condition now.
 *
 * One statement reads the newest event of each customer, lane by lane; the
 * condition is evaluated for FETCH_ROWS of them together, as the owner, over
 * the customers as they are now.  Each who meets it is told to enter by a
 * command in his lane: there the entry rules of any newcomer apply, with that
 * event as the entry event and the instant of the act.
 *
 * The command's lane evaluates the condition again, since hours may lie
 * between: who does not meet it any more does not enter.
 *
 * No lane moves while its events are read, until the act commits.  What the
 * search sees is gathered; everything else the lanes apply afterwards, knowing
 * the act and what it had seen (jo_act_met()).  So an event that commits while
 * somebody publishes is neither lost between the two nor counted twice
 * (test/isolation/specs/life_existing).
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/snapmgr.h"

#include "core/run_as.h"
#include "enrollment/batch.h"
#include "enrollment/life.h"
#include "permission/erasure.h"

/* Customers looked at together. */
#define FETCH_ROWS 1000

/* One call of jo_existing_customers(). */
typedef struct Search
{
	const JoGraph *graph;
	TimestampTz at;
	JoBatch		batch;			/* for the variables: nothing is computed */
	JoEventWriter *writer;		/* NULL: only counted */
	int64		found;
} Search;

/* The customers of the rows that SPI has fetched, with their events. */
static JoMember *
read_members(Search *search, int n)
{
	JoMember   *members = palloc0(n * sizeof(JoMember));
	JoCustomer *profiles = palloc0(n * sizeof(JoCustomer));
	JoError    *error = NULL;

	for (int i = 0; i < n; i++)
	{
		JoEvent    *event = palloc0(sizeof(JoEvent));
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	descriptor = SPI_tuptable->tupdesc;
		bool		isnull;
		Datum		payload = SPI_getbinval(tuple, descriptor, 2, &isnull);

		members[i].customer_id = SPI_getvalue(tuple, descriptor, 1);
		members[i].now = search->at;
		members[i].event = event;
		event->name = search->graph->entry.on;
		event->payload = isnull ? jo_jsonb_empty() :
			(Jsonb *) PG_DETOAST_DATUM_COPY(payload);
		profiles[i].customer_id = members[i].customer_id;
	}
	jo_customer_load(profiles, n, &error);
	if (error != NULL)
		ereport(ERROR,
				(errcode(MAKE_SQLSTATE(error->sqlstate[0], error->sqlstate[1],
									   error->sqlstate[2], error->sqlstate[3],
									   error->sqlstate[4])),
				 errmsg("could not read the customers: %s", error->message),
				 errhint("Repair the relation given to journey_orch.bind_customer() or its owner's rights.")));
	for (int i = 0; i < n; i++)
		members[i].profile = profiles[i];
	return members;
}

/*
 * Which of the members meet the condition?  One for whom it raises counts as
 * met: his lane will refuse him and log why.
 */
static void
evaluate(Search *search, JoMember *members, int n, bool *is_met)
{
	JoExpression *when = search->graph->entry.when;
	const JoVariables **rows = palloc(n * sizeof(JoVariables *));
	Datum	   *values = palloc(n * sizeof(Datum));
	bool	   *isnull = palloc(n * sizeof(bool));
	JoError   **errors = palloc0(n * sizeof(JoError *));

	for (int i = 0; i < n; i++)
	{
		is_met[i] = true;
		if (when != NULL)
			rows[i] = jo_event_variables(&search->batch, &members[i],
										 search->graph,
										 jo_expression_uses(when));
	}
	if (when == NULL)
		return;
	jo_expression_evaluate(when, n, rows, values, isnull, errors);
	for (int i = 0; i < n; i++)
		is_met[i] = errors[i] != NULL ||
			(!isnull[i] && DatumGetBool(values[i]));
}

/* Tell a customer to enter. */
static void
write_command(Search *search, const JoMember *member)
{
	JoEvent		event = {0};
	JsonbParseState *state = NULL;
	JsonbValue	value;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	value.type = jbvString;
	value.val.string.val = "event";
	value.val.string.len = strlen("event");
	(void) pushJsonbValue(&state, WJB_KEY, &value);
	value.type = jbvBinary;
	value.val.binary.data = &member->event->payload->root;
	value.val.binary.len = VARSIZE(member->event->payload) - VARHDRSZ;
	(void) pushJsonbValue(&state, WJB_VALUE, &value);
	value.type = jbvString;
	value.val.string.val = "journey_id";
	value.val.string.len = strlen("journey_id");
	(void) pushJsonbValue(&state, WJB_KEY, &value);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(search->graph->journey_id);
	(void) pushJsonbValue(&state, WJB_VALUE, &value);
	value.type = jbvString;
	value.val.string.val = "version";
	value.val.string.len = strlen("version");
	(void) pushJsonbValue(&state, WJB_KEY, &value);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(search->graph->version);
	(void) pushJsonbValue(&state, WJB_VALUE, &value);

	event.kind = JO_EVENT_KIND_COMMAND;
	event.customer_id = member->customer_id;
	event.name = JO_COMMAND_EXISTING;
	event.instant = search->at;
	event.payload =
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	(void) jo_event_write(search->writer, &event);
}

/* Look at the customers that SPI has fetched. */
static void
search_rows(Search *search, int n)
{
	JoMember   *members = read_members(search, n);
	bool	   *is_met = palloc(n * sizeof(bool));

	evaluate(search, members, n, is_met);
	for (int i = 0; i < n; i++)
	{
		if (!is_met[i] ||
			(search->batch.has_binding && !members[i].profile.exists &&
			 !search->graph->enters_without_customer))
			continue;
		search->found++;
		if (search->writer != NULL)
			write_command(search, &members[i]);
	}
}

/* Open the cursor over every customer's newest event of the name. */
static Portal
open_events(const JoGraph *graph, int64 before)
{
	Oid			types[2] = {TEXTOID, INT8OID};
	Datum		values[2];

	values[0] = CStringGetTextDatum(graph->entry.on);
	values[1] = Int64GetDatum(before);
	return SPI_cursor_open_with_args(NULL,
									 "SELECT DISTINCT ON (lane, customer_id) customer_id, payload"
									 " FROM journey_orch.event"
									 " WHERE name = $1 AND customer_id <> '' AND kind <> 'c' AND seq < $2"
									 " AND customer_id NOT LIKE '" JO_PSEUDONYM_PREFIX "%'"
									 " ORDER BY lane, customer_id, seq DESC",
									 2, types, values, NULL, true, 0);
}

int64
jo_existing_customers(const JoGraph *graph, Snapshot snapshot, int64 before,
					  bool enters, TimestampTz at)
{
	Search		search = {.graph = graph,.at = at};
	MemoryContext context;
	JoRunAs		saved;
	Portal		portal;

	if (graph->error != NULL)
		return 0;
	PushActiveSnapshot(snapshot);
	search.batch.has_binding = OidIsValid(jo_customer_relation());
	context = AllocSetContextCreate(CurrentMemoryContext,
									"journey_orch existing customers",
									ALLOCSET_DEFAULT_SIZES);
	search.batch.round = context;
	if (enters)
		search.writer = jo_event_writer_begin();
	jo_run_as_extension(&saved);
	SPI_connect();
	portal = open_events(graph, before);
	for (;;)
	{
		MemoryContext caller;

		SPI_cursor_fetch(portal, true, FETCH_ROWS);
		if (SPI_processed == 0)
			break;
		CHECK_FOR_INTERRUPTS();
		caller = MemoryContextSwitchTo(context);
		search_rows(&search, SPI_processed);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
	jo_run_as_end(&saved);
	PopActiveSnapshot();
	if (enters)
		jo_event_writer_end(search.writer);
	MemoryContextDelete(context);
	return search.found;
}
