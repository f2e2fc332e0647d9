/*
 * operation/simulate.c
 *	  SQL functions simulate() and simulate_definition(): what would happen.
 *
 * The engine itself runs (enrollment/simulation.c), over customers and events
 * that population.c makes or reads, with journeys that are pretended to be live
 * (journey/pretend.c).  Nothing is written and no transaction id is assigned.
 *
 * Subjects are simulated a chunk at a time, as many as fit into CHUNK_BYTES, so
 * that a wave has many and memory stays bounded.  No customer depends on
 * another, so how they are cut into chunks changes nothing.  Rows of a chunk are
 * put in order of customer before they go to the result, which spills to disk
 * by itself.
 *
 * Both functions are volatile, so that no condition can ask for a simulation
 * of itself.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/definition.h"
#include "core/errors.h"
#include "enrollment/json.h"
#include "journey/author.h"
#include "journey/pretend.h"
#include "operation/population.h"

/* Subjects of the first chunk and of the largest, and the memory of one. */
#define FIRST_CHUNK 50
#define LARGEST_CHUNK 1000
#define CHUNK_BYTES ((Size) 64 * 1024 * 1024)

/* Arguments of both functions, after those that say which journey. */
enum
{
	ARG_CUSTOMERS,
	ARG_VIRTUAL_CUSTOMERS,
	ARG_CUSTOMER_SQL,
	ARG_EVENTS,
	ARG_EVENTS_SQL,
	ARG_SINCE,
	ARG_UNTIL,
	ARG_SEED,
	ARG_OTHERS,
	ARG_MAX_ROWS
};

/* Columns of the result. */
enum
{
	COLUMN_AT,
	COLUMN_CUSTOMER,
	COLUMN_JOURNEY,
	COLUMN_VERSION,
	COLUMN_KEY,
	COLUMN_ENROLLMENT_ID,
	COLUMN_VISIT,
	COLUMN_OUTCOME,
	COLUMN_FROM_STEP,
	COLUMN_TO_STEP,
	COLUMN_REASON,
	COLUMN_EVENT,
	COLUMN_DUE_AT,
	COLUMN_CHANNEL,
	COLUMN_TEMPLATE,
	COLUMN_SUBJECT,
	COLUMN_BODY,
	COLUMN_ARM,
	COLUMN_VALUE,
	COLUMN_CURRENCY,
	COLUMN_CONTEXT,
	COLUMN_DECISION,
	COLUMNS
};

/* Rows of the chunk under way. */
typedef struct Collector
{
	ReturnSetInfo *result;
	MemoryContext context;
	int			nsubjects;
	List	  **rows;			/* of HeapTuple, by subject */
} Collector;

PG_FUNCTION_INFO_V1(journey_orch_simulate);
PG_FUNCTION_INFO_V1(journey_orch_simulate_definition);

/* ---- rows ---- */

static void
put_text(Datum *values, bool *isnull, int column, const char *string)
{
	isnull[column] = string == NULL;
	if (string != NULL)
		values[column] = CStringGetTextDatum(string);
}

static void
put_json(Datum *values, bool *isnull, int column, const Jsonb *json)
{
	isnull[column] = json == NULL;
	values[column] = PointerGetDatum(json);
}

static void
put_message(Datum *values, bool *isnull, const JoAttempt *attempt)
{
	put_text(values, isnull, COLUMN_CHANNEL,
			 attempt != NULL ? attempt->channel : NULL);
	put_text(values, isnull, COLUMN_TEMPLATE,
			 attempt != NULL ? attempt->template : NULL);
	put_text(values, isnull, COLUMN_SUBJECT, attempt != NULL ?
			 jo_json_string(attempt->payload, "subject") : NULL);
	put_text(values, isnull, COLUMN_BODY, attempt != NULL ?
			 jo_json_string(attempt->payload, "body") : NULL);
}

/* JoSimulation.receive: keep the row with those of its subject. */
static void
collect_row(void *arg, const JoSimulatedRow *row)
{
	Collector  *collector = arg;
	const JoLogRow *log = row->log;
	MemoryContext caller = MemoryContextSwitchTo(collector->context);
	Datum		values[COLUMNS] = {0};
	bool		isnull[COLUMNS] = {false};

	values[COLUMN_AT] = TimestampTzGetDatum(log->clock);
	put_text(values, isnull, COLUMN_CUSTOMER, log->customer_id);
	put_text(values, isnull, COLUMN_JOURNEY, row->journey);
	isnull[COLUMN_VERSION] = log->version == 0;
	values[COLUMN_VERSION] = Int32GetDatum(log->version);
	put_text(values, isnull, COLUMN_KEY, log->key);
	isnull[COLUMN_ENROLLMENT_ID] = log->run == NULL && log->attempt == NULL;
	values[COLUMN_ENROLLMENT_ID] = UUIDPGetDatum(&log->enrollment_id);
	values[COLUMN_VISIT] = Int32GetDatum(log->visit);
	put_text(values, isnull, COLUMN_OUTCOME, log->outcome);
	put_text(values, isnull, COLUMN_FROM_STEP, log->from_step);
	put_text(values, isnull, COLUMN_TO_STEP, log->to_step);
	put_text(values, isnull, COLUMN_REASON, log->reason);
	put_text(values, isnull, COLUMN_EVENT, row->event);
	isnull[COLUMN_DUE_AT] = log->due_at == JO_NO_TIME;
	values[COLUMN_DUE_AT] = TimestampTzGetDatum(log->due_at);
	put_message(values, isnull, log->attempt);
	put_text(values, isnull, COLUMN_ARM, log->arm);
	isnull[COLUMN_VALUE] = !log->has_value;
	values[COLUMN_VALUE] = log->value;
	put_text(values, isnull, COLUMN_CURRENCY, log->currency);
	put_json(values, isnull, COLUMN_CONTEXT, log->context);
	put_json(values, isnull, COLUMN_DECISION, log->decision);
	collector->rows[row->subject] =
		lappend(collector->rows[row->subject],
				heap_form_tuple(collector->result->setDesc, values, isnull));
	MemoryContextSwitchTo(caller);
}

static void
put_rows(Collector *collector)
{
	ListCell   *cell;

	for (int i = 0; i < collector->nsubjects; i++)
		foreach(cell, collector->rows[i])
			tuplestore_puttuple(collector->result->setResult, lfirst(cell));
}

/* ---- chunks ---- */

/* How many subjects to take next, when n of them took so many bytes. */
static int
next_size(int n, Size bytes)
{
	double		fitting = (double) n * CHUNK_BYTES / Max(bytes, 1);

	return (int) Max(1, Min(fitting, Min(4 * n, LARGEST_CHUNK)));
}

static void
run_chunks(JoPopulation *population, JoSimulation *simulation,
		   ReturnSetInfo *result)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "journey_orch simulation",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(context);
	int			n = FIRST_CHUNK;
	List	   *subjects;

	while ((subjects = jo_population_next(population, n)) != NIL)
	{
		Collector	collector = {result, context, list_length(subjects)};

		CHECK_FOR_INTERRUPTS();
		collector.rows = palloc0(collector.nsubjects * sizeof(List *));
		simulation->arg = &collector;
		jo_simulation_run(simulation, subjects);
		put_rows(&collector);
		n = next_size(collector.nsubjects, simulation->bytes +
					  MemoryContextMemAllocated(context, true));
		MemoryContextReset(context);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
}

/* Simulate with these journeys, and no others, live. */
static void
simulate(JoPretence *pretence, JoPopulation *population, int64 max_rows,
		 ReturnSetInfo *result)
{
	JoSimulation simulation = {
		.since = population->since,
		.until = population->until,
		.max_rows = max_rows,
		.receive = collect_row
	};
	JoPretence *before;

	jo_pretence_add_entered(pretence);
	SPI_connect();
	before = jo_pretence_begin(pretence);
	PG_TRY();
	{
		run_chunks(population, &simulation, result);
	}
	PG_FINALLY();
	{
		jo_pretence_end(before);
	}
	PG_END_TRY();
	SPI_finish();
}

/* ---- arguments ---- */

static void
refuse(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errhint("%s", hint)));
}

static void
read_customers(FunctionCallInfo fcinfo, int number, JoPopulation *population)
{
	Datum	   *ids;
	bool	   *isnull;

	if (PG_ARGISNULL(number))
		return;
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(number), TEXTOID, -1, false,
					  TYPALIGN_INT, &ids, &isnull, &population->nchosen);
	population->chosen = palloc0((population->nchosen + 1) * sizeof(char *));
	for (int i = 0; i < population->nchosen; i++)
	{
		if (isnull[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("\"customers\" must not contain nulls")));
		population->chosen[i] = TextDatumGetCString(ids[i]);
	}
}

/* Who, of the arguments; refuses what does not go together. */
static void
read_people(FunctionCallInfo fcinfo, int first, JoPopulation *population)
{
	bool		has_events = !PG_ARGISNULL(first + ARG_EVENTS) ||
	!PG_ARGISNULL(first + ARG_EVENTS_SQL);
	bool		is_virtual = !PG_ARGISNULL(first + ARG_VIRTUAL_CUSTOMERS);

	read_customers(fcinfo, first + ARG_CUSTOMERS, population);
	population->is_history = !has_events && !is_virtual;
	if (is_virtual)
	{
		population->nvirtual = PG_GETARG_INT32(first + ARG_VIRTUAL_CUSTOMERS);
		if (population->nvirtual < 1)
			refuse("\"virtual_customers\" must be greater than 0",
				   "It is the number of customers to make.");
		if (population->chosen != NULL)
			refuse("\"customers\" and \"virtual_customers\" cannot be used together",
				   "Simulate those who exist and those who do not one after the other.");
		if (!has_events)
			refuse("virtual customers need events",
				   "Pass \"events\" or \"events_sql\".");
	}
	else if (!PG_ARGISNULL(first + ARG_CUSTOMER_SQL))
		refuse("\"customer_sql\" makes virtual customers, and there are none",
			   "Pass \"virtual_customers\".");
	else if (has_events && population->chosen == NULL)
		refuse("events need customers",
			   "Pass \"customers\" or \"virtual_customers\".");
}

static TimestampTz
add_year(TimestampTz since)
{
	Interval	year = {.month = MONTHS_PER_YEAR};

	return DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval,
												 TimestampGetDatum(since),
												 IntervalPGetDatum(&year)));
}

/* When: the log, as far as the engine clock; or a year from the clock on. */
static void
read_span(FunctionCallInfo fcinfo, int first, JoPopulation *population)
{
	bool		has_since = !PG_ARGISNULL(first + ARG_SINCE);

	if (has_since)
		population->since = PG_GETARG_TIMESTAMPTZ(first + ARG_SINCE);
	else
		population->since = population->is_history ? DT_NOBEGIN :
			jo_clock_now();
	if (has_since && !population->is_history &&
		TIMESTAMP_NOT_FINITE(population->since))
		refuse("\"since\" must be finite",
			   "Name the instant at which the simulation begins.");
	if (!PG_ARGISNULL(first + ARG_UNTIL))
		population->until = PG_GETARG_TIMESTAMPTZ(first + ARG_UNTIL);
	else
		population->until = population->is_history ? jo_clock_now() :
			add_year(Min(population->since, JO_CLOCK_LATEST));
	if (TIMESTAMP_NOT_FINITE(population->until) ||
		population->until > JO_CLOCK_LATEST)
		refuse("\"until\" must be finite, and no later than a clock may be set",
			   "Name the instant at which the simulation ends.");
	if (population->since > population->until)
		refuse("\"since\" must not be later than \"until\"",
			   "A simulation goes from \"since\" to \"until\".");
}

static void
read_events(FunctionCallInfo fcinfo, int first, JoPopulation *population)
{
	if (!PG_ARGISNULL(first + ARG_CUSTOMER_SQL))
		population->customer =
			jo_population_expression(text_to_cstring(PG_GETARG_TEXT_PP(first + ARG_CUSTOMER_SQL)),
									 JO_USES_EVENT);
	if (!PG_ARGISNULL(first + ARG_EVENTS_SQL))
		population->events =
			jo_population_expression(text_to_cstring(PG_GETARG_TEXT_PP(first + ARG_EVENTS_SQL)),
									 JO_USES_EVENT | JO_USES_CUSTOMER);
	if (!PG_ARGISNULL(first + ARG_EVENTS))
		population->given =
			jo_given_read(population,
						  PG_GETARG_JSONB_P(first + ARG_EVENTS), "events");
}

static bool
is_operator(void)
{
	Oid			role = get_role_oid("journey_orch_operator", true);

	return OidIsValid(role) && has_privs_of_role(GetUserId(), role);
}

/* The common arguments, from number "first" on; then the simulation. */
static void
simulate_graph(FunctionCallInfo fcinfo, int first, JoGraph *graph)
{
	JoPopulation *population = palloc0(sizeof(JoPopulation));
	JoPretence *pretence = jo_pretence_create();
	int32		max_rows;

	jo_ensure_not_null(fcinfo, first + ARG_SEED, "seed");
	jo_ensure_not_null(fcinfo, first + ARG_OTHERS, "others");
	jo_ensure_not_null(fcinfo, first + ARG_MAX_ROWS, "max_rows");
	max_rows = PG_GETARG_INT32(first + ARG_MAX_ROWS);
	if (max_rows < 1)
		refuse("\"max_rows\" must be greater than 0",
			   "It bounds the rows of the simulation.");
	population->journey = graph->name;
	population->seed = PG_GETARG_INT64(first + ARG_SEED);
	read_people(fcinfo, first, population);
	read_span(fcinfo, first, population);
	read_events(fcinfo, first, population);
	jo_pretence_add(pretence, graph, true);
	if (PG_GETARG_BOOL(first + ARG_OTHERS))
	{
		if (!is_operator())
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("must be a member of role \"journey_orch_operator\" to simulate others' journeys"),
					 errhint("Leave out \"others\".")));
		jo_pretence_add_live(pretence);
	}
	simulate(pretence, population, max_rows,
			 (ReturnSetInfo *) fcinfo->resultinfo);
}

/* simulate(journey, version, …) */
Datum
journey_orch_simulate(PG_FUNCTION_ARGS)
{
	JoStoredJourney journey;
	JoGraph    *graph;
	char	   *name;
	int32		version;

	InitMaterializedSRF(fcinfo, 0);
	jo_ensure_not_null(fcinfo, 0, "journey");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	version = jo_version_argument(fcinfo, 1);
	jo_get_journey(name, &journey);
	if (!is_operator())
		jo_ensure_journey_owner(name, &journey);
	if (version == 0)
		version = jo_find_published(&journey);
	(void) jo_get_definition(name, &journey, &version);

	jo_definition_adopt(GetActiveSnapshot());
	jo_journey_cache_begin();
	graph = jo_graph(journey.journey_id, version);
	if (graph == NULL)
		elog(ERROR, "version %d of journey %d is gone", version,
			 journey.journey_id);
	simulate_graph(fcinfo, 2, graph);
	jo_journey_cache_end();
	return (Datum) 0;
}

/* simulate_definition(definition, …) */
Datum
journey_orch_simulate_definition(PG_FUNCTION_ARGS)
{
	JoGraph    *graph;

	InitMaterializedSRF(fcinfo, 0);
	jo_ensure_not_null(fcinfo, 0, "definition");
	graph = jo_graph_of_definition(PG_GETARG_JSONB_P(0));
	jo_definition_adopt(GetActiveSnapshot());
	jo_journey_cache_begin();
	simulate_graph(fcinfo, 1, graph);
	jo_journey_cache_end();
	return (Datum) 0;
}
