/*
 * enrollment/variables.c
 *	  The variables that expressions see, and the jsonb that runs carry.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type_d.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "core/leaf.h"
#include "enrollment/batch.h"

/* Fields of type journey_orch.journey_variable, in order. */
enum
{
	VARIABLE_NAME,
	VARIABLE_VERSION,
	VARIABLE_STEP,
	VARIABLE_NOW,
	VARIABLE_ENTERED_AT,
	VARIABLE_ENTRY_EVENT,
	VARIABLE_EVENT_NAME,
	VARIABLE_KEY,
	VARIABLE_ENROLLMENT_ID,
	VARIABLE_CUSTOMER_ID,
	VARIABLE_TIMEZONE,
	VARIABLE_FIELDS
};

static TupleDesc
journey_variable_descriptor(void)
{
	Oid			relid = jo_relation_oid("journey_variable");

	return lookup_rowtype_tupdesc(get_rel_type_id(relid), -1);
}

static void
set_text(Datum *values, bool *isnull, int field, const char *string)
{
	isnull[field] = string == NULL;
	if (string != NULL)
		values[field] = CStringGetTextDatum(string);
}

/* The zone that calendar time of this run is in. */
const char *
jo_run_timezone(const JoRun *run)
{
	if (run->member->profile.timezone != NULL)
		return run->member->profile.timezone;
	return run->graph->timezone;
}

/* Build "journey" for a run; "run" may be NULL while an entry is tried. */
static Datum
make_journey_variable(JoMember *member, const JoGraph *graph, JoRun *run,
					  const JoEvent *event)
{
	TupleDesc	descriptor = journey_variable_descriptor();
	Datum		values[VARIABLE_FIELDS] = {0};
	bool		isnull[VARIABLE_FIELDS];
	Jsonb	   *entry_event = run != NULL ? run->entry_event : event->payload;
	const char *event_name = NULL;
	HeapTuple	tuple;

	memset(isnull, true, sizeof(isnull));
	if (run == NULL)
		event_name = event->name;
	else
		event_name = run->event_name ? run->event_name : run->entry_name;
	set_text(values, isnull, VARIABLE_NAME, graph->name);
	values[VARIABLE_VERSION] = Int32GetDatum(graph->version);
	isnull[VARIABLE_VERSION] = false;
	values[VARIABLE_NOW] = TimestampTzGetDatum(member->now);
	isnull[VARIABLE_NOW] = false;
	values[VARIABLE_ENTERED_AT] = TimestampTzGetDatum(run != NULL ?
													  run->entered_at :
													  member->now);
	isnull[VARIABLE_ENTERED_AT] = false;
	values[VARIABLE_ENTRY_EVENT] = JsonbPGetDatum(entry_event);
	isnull[VARIABLE_ENTRY_EVENT] = entry_event == NULL;
	set_text(values, isnull, VARIABLE_EVENT_NAME, event_name);
	set_text(values, isnull, VARIABLE_CUSTOMER_ID, member->customer_id);
	set_text(values, isnull, VARIABLE_TIMEZONE,
			 member->profile.timezone ? member->profile.timezone :
			 graph->timezone);
	if (run != NULL)
	{
		set_text(values, isnull, VARIABLE_STEP, run->step_name);
		set_text(values, isnull, VARIABLE_KEY, run->key);
		values[VARIABLE_ENROLLMENT_ID] = UUIDPGetDatum(&run->id);
		isnull[VARIABLE_ENROLLMENT_ID] = false;
	}
	tuple = heap_form_tuple(descriptor, values, isnull);
	ReleaseTupleDesc(descriptor);
	return HeapTupleGetDatum(tuple);
}

/*
 * The variables of a run as it stands now, with what "uses" asks for.  The
 * result is the run's own and good until the run moves or the round ends.
 */
const JoVariables *
jo_run_variables(JoBatch *batch, JoRun *run, int uses)
{
	JoVariables *variables = &run->variables;
	Jsonb	   *event = run->event ? run->event : run->entry_event;

	variables->customer = run->member->profile.row;
	variables->customer_isnull = !run->member->profile.exists ||
		!batch->has_binding;
	variables->event = JsonbPGetDatum(event);
	variables->event_isnull = event == NULL;
	variables->context = JsonbPGetDatum(run->context);
	variables->context_isnull = false;
	if (uses & JO_USES_JOURNEY)
	{
		MemoryContext caller = MemoryContextSwitchTo(batch->round);

		variables->journey = make_journey_variable(run->member, run->graph,
												   run, NULL);
		MemoryContextSwitchTo(caller);
	}
	variables->journey_isnull = false;
	return variables;
}

/* The variables of an event without a run, good until the round ends. */
const JoVariables *
jo_event_variables(JoBatch *batch, JoMember *member, const JoGraph *graph,
				   int uses)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->round);
	JoVariables *variables = palloc0(sizeof(JoVariables));

	variables->customer = member->profile.row;
	variables->customer_isnull = !member->profile.exists ||
		!batch->has_binding;
	variables->event = JsonbPGetDatum(member->event->payload);
	variables->event_isnull = member->event->payload == NULL;
	variables->context = JsonbPGetDatum(jo_jsonb_empty());
	if (uses & JO_USES_JOURNEY)
		variables->journey = make_journey_variable(member, graph, NULL,
												   member->event);
	MemoryContextSwitchTo(caller);
	return variables;
}

/* The object {}. */
Jsonb *
jo_jsonb_empty(void)
{
	JsonbParseState *state = NULL;
	JsonbValue *value;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	value = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(value);
}

/* {name: value}, to be laid over an object by jsonb_concat. */
static Jsonb *
make_pair(const char *name, Jsonb *value)
{
	JsonbParseState *state = NULL;
	JsonbValue	item;
	JsonbValue *object;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	item.type = jbvString;
	item.val.string.val = unconstify(char *, name);
	item.val.string.len = strlen(name);
	pushJsonbValue(&state, WJB_KEY, &item);
	if (value == NULL)
		item.type = jbvNull;
	else if (JB_ROOT_IS_SCALAR(value))
		JsonbExtractScalar(&value->root, &item);
	else
	{
		item.type = jbvBinary;
		item.val.binary.data = &value->root;
		item.val.binary.len = VARSIZE(value) - VARHDRSZ;
	}
	pushJsonbValue(&state, WJB_VALUE, &item);
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(object);
}

/*
 * "object" with one more entry; a NULL object counts as {}, a NULL value as
 * null.
 */
Jsonb *
jo_jsonb_put(Jsonb *object, const char *name, Jsonb *value)
{
	Jsonb	   *pair = make_pair(name, value);

	if (object == NULL)
		return pair;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
											  JsonbPGetDatum(object),
											  JsonbPGetDatum(pair)));
}

static void
push_string(JsonbParseState **state, const char *name, const char *string)
{
	JsonbValue	item;

	if (string == NULL)
		return;
	item.type = jbvString;
	item.val.string.val = unconstify(char *, name);
	item.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &item);
	item.val.string.val = unconstify(char *, string);
	item.val.string.len = strlen(string);
	pushJsonbValue(state, WJB_VALUE, &item);
}

/* {"sqlstate", "message", "detail", "expression"}, absent ones left out. */
Jsonb *
jo_jsonb_error(const JoError *error, const char *expression)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_string(&state, "sqlstate", error->sqlstate);
	push_string(&state, "message", error->message);
	push_string(&state, "detail", error->detail);
	push_string(&state, "expression", expression);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
