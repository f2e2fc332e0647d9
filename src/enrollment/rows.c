/*
 * enrollment/rows.c
 *	  Between the batch's structures and the columns of this room's tables.
 *
 * Nothing is decided here.  JO_NO_TIME, an id of zero and a NULL string mean
 * SQL NULL.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "enrollment/rows.h"

static void
put_time(Datum *values, bool *isnull, int column, TimestampTz time)
{
	values[column] = TimestampTzGetDatum(time);
	isnull[column] = time == JO_NO_TIME;
}

static void
put_int8(Datum *values, bool *isnull, int column, int64 number)
{
	values[column] = Int64GetDatum(number);
	isnull[column] = number == 0;
}

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

static TimestampTz
get_time(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? JO_NO_TIME :
		DatumGetTimestampTz(slot->tts_values[column]);
}

static char *
get_text(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? NULL :
		TextDatumGetCString(slot->tts_values[column]);
}

static Jsonb *
get_json(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? NULL :
		(Jsonb *) PG_DETOAST_DATUM_COPY(slot->tts_values[column]);
}

/* Instants, oldest first. */
static void
put_times(Datum *values, bool *isnull, int column, const TimestampTz *times,
		  int n)
{
	Datum	   *elements;

	isnull[column] = n == 0;
	if (n == 0)
		return;
	elements = palloc(n * sizeof(Datum));
	for (int i = 0; i < n; i++)
		elements[i] = TimestampTzGetDatum(times[i]);
	values[column] =
		PointerGetDatum(construct_array(elements, n, TIMESTAMPTZOID,
										sizeof(TimestampTz), true,
										TYPALIGN_DOUBLE));
}

static TimestampTz *
get_times(TupleTableSlot *slot, int column, int *n)
{
	Datum	   *elements;
	TimestampTz *times;

	*n = 0;
	if (slot->tts_isnull[column])
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(slot->tts_values[column]),
					  TIMESTAMPTZOID, sizeof(TimestampTz), true,
					  TYPALIGN_DOUBLE, &elements, NULL, n);
	times = palloc(Max(*n, 1) * sizeof(TimestampTz));
	for (int i = 0; i < *n; i++)
		times[i] = DatumGetTimestampTz(elements[i]);
	return times;
}

JoRun *
jo_run_from_row(JoMember *member, TupleTableSlot *slot)
{
	JoRun	   *run = palloc0(sizeof(JoRun));
	Datum	   *values = slot->tts_values;

	run->member = member;
	run->id = *DatumGetUUIDP(values[RUN_ENROLLMENT_ID]);
	run->entry_event_id = DatumGetInt64(values[RUN_ENTRY_EVENT_ID]);
	run->entry_order = slot->tts_isnull[RUN_ENTRY_ORDER] ?
		run->entry_event_id : DatumGetInt64(values[RUN_ENTRY_ORDER]);
	run->acted = DatumGetInt64(values[RUN_ACTED]);
	run->entered_at = get_time(slot, RUN_ENTERED_AT);
	run->arrived_at = get_time(slot, RUN_ARRIVED_AT);
	run->due_at = get_time(slot, RUN_DUE_AT);
	run->hint_at = get_time(slot, RUN_HINT_AT);
	run->journey_id = DatumGetInt32(values[RUN_JOURNEY_ID]);
	run->version = DatumGetInt32(values[RUN_VERSION]);
	run->generation = DatumGetInt32(values[RUN_GENERATION]);
	run->visit = DatumGetInt32(values[RUN_VISIT]);
	run->is_holdout = DatumGetBool(values[RUN_IS_HOLDOUT]);
	run->is_global_holdout = DatumGetBool(values[RUN_IS_GLOBAL_HOLDOUT]);
	run->was_absent = DatumGetBool(values[RUN_WAS_ABSENT]);
	run->has_messages = DatumGetBool(values[RUN_HAS_MESSAGES]);
	run->state = jo_enrollment_state_of(get_text(slot, RUN_STATE));
	run->step_name = get_text(slot, RUN_STEP);
	run->key = get_text(slot, RUN_KEY);
	run->key_hash = jo_key_hash(run->key);
	run->context = get_json(slot, RUN_CONTEXT);
	run->entry_event = get_json(slot, RUN_ENTRY_EVENT);
	run->event = get_json(slot, RUN_EVENT);
	run->entry_name = get_text(slot, RUN_ENTRY_NAME);
	run->event_name = get_text(slot, RUN_EVENT_NAME);
	run->error = get_json(slot, RUN_ERROR);
	if (!slot->tts_isnull[RUN_PARENT_VISIT])
	{
		run->parent_id = *DatumGetUUIDP(values[RUN_PARENT_ID]);
		run->parent_visit = DatumGetInt32(values[RUN_PARENT_VISIT]);
	}
	jo_progress_from_json(run, get_json(slot, RUN_PROGRESS));
	run->is_stored = true;
	run->was_parked = run->state == JO_ENROLLMENT_PARKED;
	run->tid = slot->tts_tid;
	return run;
}

/*
 * The event that brought the run to its step is stored with it: what is asked
 * of it there later (an exit rule at a timer, a date in another version, the
 * step itself after a pause or an error) sees it.  Of an ended run only the
 * goal is asked, at events.
 */
void
jo_run_to_row(int lane, const JoRun *run, Datum *values, bool *isnull)
{
	bool		keeps_event = run->state != JO_ENROLLMENT_ENDED;

	memset(isnull, false, ROW_COLUMNS * sizeof(bool));
	put_text(values, isnull, RUN_CUSTOMER_ID, run->member->customer_id);
	values[RUN_ENROLLMENT_ID] = UUIDPGetDatum(&run->id);
	values[RUN_ENTRY_EVENT_ID] = Int64GetDatum(run->entry_event_id);
	values[RUN_ACTED] = Int64GetDatum(run->acted);
	values[RUN_ENTERED_AT] = TimestampTzGetDatum(run->entered_at);
	values[RUN_ARRIVED_AT] = TimestampTzGetDatum(run->arrived_at);
	put_time(values, isnull, RUN_DUE_AT, run->due_at);
	put_time(values, isnull, RUN_HINT_AT, run->hint_at);
	values[RUN_JOURNEY_ID] = Int32GetDatum(run->journey_id);
	values[RUN_VERSION] = Int32GetDatum(run->version);
	values[RUN_GENERATION] = Int32GetDatum(run->generation);
	values[RUN_VISIT] = Int32GetDatum(run->visit);
	values[RUN_LANE] = Int16GetDatum(lane);
	values[RUN_IS_HOLDOUT] = BoolGetDatum(run->is_holdout);
	values[RUN_IS_GLOBAL_HOLDOUT] = BoolGetDatum(run->is_global_holdout);
	values[RUN_WAS_ABSENT] = BoolGetDatum(run->was_absent);
	values[RUN_HAS_MESSAGES] = BoolGetDatum(run->has_messages);
	put_text(values, isnull, RUN_STATE, jo_enrollment_state_name(run->state));
	put_text(values, isnull, RUN_STEP, run->step_name);
	put_text(values, isnull, RUN_KEY, run->key);
	put_json(values, isnull, RUN_CONTEXT, run->context);
	put_json(values, isnull, RUN_ENTRY_EVENT, run->entry_event);
	put_json(values, isnull, RUN_EVENT, keeps_event ? run->event : NULL);
	put_text(values, isnull, RUN_ENTRY_NAME, run->entry_name);
	put_text(values, isnull, RUN_EVENT_NAME,
			 keeps_event ? run->event_name : NULL);
	put_json(values, isnull, RUN_ERROR, run->error);
	values[RUN_PARENT_ID] = UUIDPGetDatum(&run->parent_id);
	isnull[RUN_PARENT_ID] = run->parent_visit == 0;
	values[RUN_PARENT_VISIT] = Int32GetDatum(run->parent_visit);
	isnull[RUN_PARENT_VISIT] = run->parent_visit == 0;
	put_json(values, isnull, RUN_PROGRESS, jo_progress_to_json(run));
	values[RUN_ENTRY_ORDER] = Int64GetDatum(run->entry_order);
	isnull[RUN_ENTRY_ORDER] = run->entry_order == run->entry_event_id;
}

JoMemory *
jo_memory_from_row(TupleTableSlot *slot)
{
	JoMemory   *memory = palloc0(sizeof(JoMemory));

	memory->last_entered = get_time(slot, MEMORY_LAST_ENTERED);
	memory->last_ended = get_time(slot, MEMORY_LAST_ENDED);
	memory->journey_id = DatumGetInt32(slot->tts_values[MEMORY_JOURNEY_ID]);
	memory->runs = DatumGetInt32(slot->tts_values[MEMORY_RUNS]);
	memory->key = get_text(slot, MEMORY_KEY);
	memory->digests = get_json(slot, MEMORY_DIGESTS);
	memory->recent = get_times(slot, MEMORY_RECENT, &memory->nrecent);
	memory->is_stored = true;
	memory->tid = slot->tts_tid;
	return memory;
}

void
jo_memory_to_row(int lane, const JoMember *member, const JoMemory *memory,
				 Datum *values, bool *isnull)
{
	memset(isnull, false, ROW_COLUMNS * sizeof(bool));
	put_text(values, isnull, MEMORY_CUSTOMER_ID, member->customer_id);
	values[MEMORY_LAST_ENTERED] = TimestampTzGetDatum(memory->last_entered);
	put_time(values, isnull, MEMORY_LAST_ENDED, memory->last_ended);
	values[MEMORY_JOURNEY_ID] = Int32GetDatum(memory->journey_id);
	values[MEMORY_RUNS] = Int32GetDatum(memory->runs);
	values[MEMORY_LANE] = Int16GetDatum(lane);
	put_text(values, isnull, MEMORY_KEY, memory->key);
	put_json(values, isnull, MEMORY_DIGESTS, memory->digests);
	put_times(values, isnull, MEMORY_RECENT, memory->recent, memory->nrecent);
}

JoPlan *
jo_plan_from_row(TupleTableSlot *slot)
{
	JoPlan	   *plan = palloc0(sizeof(JoPlan));

	plan->due_at = get_time(slot, PLAN_DUE_AT);
	plan->hint_at = get_time(slot, PLAN_HINT_AT);
	plan->last_at = get_time(slot, PLAN_LAST_AT);
	plan->journey_id = DatumGetInt32(slot->tts_values[PLAN_JOURNEY_ID]);
	plan->times = DatumGetInt32(slot->tts_values[PLAN_TIMES]);
	plan->taken = DatumGetInt32(slot->tts_values[PLAN_TAKEN]);
	plan->generation = DatumGetInt32(slot->tts_values[PLAN_GENERATION]);
	plan->basis = get_text(slot, PLAN_BASIS);
	plan->error = get_text(slot, PLAN_ERROR);
	plan->is_stored = true;
	plan->tid = slot->tts_tid;
	return plan;
}

void
jo_plan_to_row(int lane, const JoMember *member, const JoPlan *plan,
			   Datum *values, bool *isnull)
{
	memset(isnull, false, ROW_COLUMNS * sizeof(bool));
	put_text(values, isnull, PLAN_CUSTOMER_ID, member->customer_id);
	put_time(values, isnull, PLAN_DUE_AT, plan->due_at);
	put_time(values, isnull, PLAN_HINT_AT, plan->hint_at);
	put_time(values, isnull, PLAN_LAST_AT, plan->last_at);
	values[PLAN_JOURNEY_ID] = Int32GetDatum(plan->journey_id);
	values[PLAN_TIMES] = Int32GetDatum(plan->times);
	values[PLAN_TAKEN] = Int32GetDatum(plan->taken);
	values[PLAN_GENERATION] = Int32GetDatum(plan->generation);
	values[PLAN_LANE] = Int16GetDatum(lane);
	put_text(values, isnull, PLAN_BASIS, plan->basis);
	put_text(values, isnull, PLAN_ERROR, plan->error);
}

JoMessage *
jo_message_from_row(JoMember *member, TupleTableSlot *slot)
{
	JoMessage  *message = palloc0(sizeof(JoMessage));
	JoAttempt  *attempt = &message->attempt;
	Datum	   *values = slot->tts_values;

	attempt->customer_id = member->customer_id;
	attempt->message_id = *DatumGetUUIDP(values[MESSAGE_MESSAGE_ID]);
	attempt->enrollment_id = *DatumGetUUIDP(values[MESSAGE_ENROLLMENT_ID]);
	message->due_at = get_time(slot, MESSAGE_DUE_AT);
	attempt->enqueued_at = get_time(slot, MESSAGE_ENQUEUED_AT);
	attempt->expires_at = get_time(slot, MESSAGE_EXPIRES_AT);
	if (!slot->tts_isnull[MESSAGE_EVENT_ID])
		attempt->event_id = DatumGetInt64(values[MESSAGE_EVENT_ID]);
	attempt->journey_id = DatumGetInt32(values[MESSAGE_JOURNEY_ID]);
	attempt->version = DatumGetInt32(values[MESSAGE_VERSION]);
	attempt->visit = DatumGetInt32(values[MESSAGE_VISIT]);
	attempt->attempt = DatumGetInt32(values[MESSAGE_ATTEMPT]);
	attempt->priority = DatumGetInt16(values[MESSAGE_PRIORITY]);
	message->is_awaited = DatumGetBool(values[MESSAGE_IS_AWAITED]);
	attempt->is_awaited = message->is_awaited;
	message->state = get_text(slot, MESSAGE_STATE);
	attempt->channel = get_text(slot, MESSAGE_CHANNEL);
	attempt->template = get_text(slot, MESSAGE_TEMPLATE);
	attempt->step = get_text(slot, MESSAGE_STEP);
	attempt->topic = get_text(slot, MESSAGE_TOPIC);
	attempt->arm = get_text(slot, MESSAGE_ARM);
	attempt->payload = get_json(slot, MESSAGE_PAYLOAD);
	message->error = get_text(slot, MESSAGE_ERROR);
	attempt->failures = DatumGetInt16(values[MESSAGE_FAILURES]);
	message->is_stored = true;
	message->tid = slot->tts_tid;
	return message;
}

void
jo_message_to_row(int lane, const JoMessage *message, Datum *values,
				  bool *isnull)
{
	const JoAttempt *attempt = &message->attempt;

	memset(isnull, false, ROW_COLUMNS * sizeof(bool));
	put_text(values, isnull, MESSAGE_CUSTOMER_ID, attempt->customer_id);
	values[MESSAGE_MESSAGE_ID] = UUIDPGetDatum(&attempt->message_id);
	values[MESSAGE_ENROLLMENT_ID] = UUIDPGetDatum(&attempt->enrollment_id);
	put_time(values, isnull, MESSAGE_DUE_AT, message->due_at);
	values[MESSAGE_ENQUEUED_AT] = TimestampTzGetDatum(attempt->enqueued_at);
	put_time(values, isnull, MESSAGE_EXPIRES_AT, attempt->expires_at);
	put_int8(values, isnull, MESSAGE_EVENT_ID, attempt->event_id);
	values[MESSAGE_JOURNEY_ID] = Int32GetDatum(attempt->journey_id);
	values[MESSAGE_VERSION] = Int32GetDatum(attempt->version);
	values[MESSAGE_VISIT] = Int32GetDatum(attempt->visit);
	values[MESSAGE_ATTEMPT] = Int32GetDatum(attempt->attempt);
	values[MESSAGE_LANE] = Int16GetDatum(lane);
	values[MESSAGE_PRIORITY] = Int16GetDatum(attempt->priority);
	values[MESSAGE_IS_AWAITED] = BoolGetDatum(message->is_awaited);
	put_text(values, isnull, MESSAGE_STATE, message->state);
	put_text(values, isnull, MESSAGE_CHANNEL, attempt->channel);
	put_text(values, isnull, MESSAGE_TEMPLATE, attempt->template);
	put_text(values, isnull, MESSAGE_STEP, attempt->step);
	put_text(values, isnull, MESSAGE_TOPIC, attempt->topic);
	put_text(values, isnull, MESSAGE_ARM, attempt->arm);
	put_json(values, isnull, MESSAGE_PAYLOAD, attempt->payload);
	put_text(values, isnull, MESSAGE_ERROR, message->error);
	values[MESSAGE_FAILURES] = Int16GetDatum(attempt->failures);
}

void
jo_log_to_row(const JoBatch *batch, int segment, const JoLogRow *row,
			  Datum *values, bool *isnull)
{
	memset(isnull, false, ROW_COLUMNS * sizeof(bool));
	values[LOG_ENROLLMENT_ID] = UUIDPGetDatum(&row->enrollment_id);
	isnull[LOG_ENROLLMENT_ID] = row->run == NULL;
	values[LOG_CLOCK] = TimestampTzGetDatum(row->clock);
	put_time(values, isnull, LOG_ARRIVED_AT, row->arrived_at);
	put_time(values, isnull, LOG_DUE_AT, row->due_at);
	put_int8(values, isnull, LOG_EVENT_ID, row->event_id);
	values[LOG_BATCH] = Int64GetDatum(batch->cursor.batch);
	values[LOG_JOURNEY_ID] = Int32GetDatum(row->journey_id);
	values[LOG_VERSION] = Int32GetDatum(row->version);
	values[LOG_VISIT] = Int32GetDatum(row->visit);
	values[LOG_LANE] = Int16GetDatum(batch->lane);
	values[LOG_SEGMENT] = Int16GetDatum(segment);
	put_text(values, isnull, LOG_OUTCOME, row->outcome);
	put_text(values, isnull, LOG_CUSTOMER_ID, row->customer_id);
	put_text(values, isnull, LOG_KEY, row->key);
	put_text(values, isnull, LOG_FROM_STEP, row->from_step);
	put_text(values, isnull, LOG_TO_STEP, row->to_step);
	put_time(values, isnull, LOG_ENTERED_AT, row->entered_at);
	put_text(values, isnull, LOG_REASON, row->reason);
	put_text(values, isnull, LOG_ARM, row->arm);
	values[LOG_VALUE] = row->value;
	isnull[LOG_VALUE] = !row->has_value;
	put_text(values, isnull, LOG_CURRENCY, row->currency);
	put_json(values, isnull, LOG_CONTEXT, row->context);
	put_json(values, isnull, LOG_DECISION, row->decision);
}

void
jo_outcome_to_row(const JoOutcome *outcome, Datum *values, bool *isnull)
{
	memset(isnull, false, ROW_COLUMNS * sizeof(bool));
	values[OUTCOME_COMMAND_ID] = Int64GetDatum(outcome->command_id);
	values[OUTCOME_AT] = TimestampTzGetDatum(outcome->at);
	values[OUTCOME_ENROLLMENT_ID] = UUIDPGetDatum(&outcome->enrollment_id);
	isnull[OUTCOME_ENROLLMENT_ID] = !outcome->has_run;
	put_text(values, isnull, OUTCOME_STATUS, outcome->status);
	put_text(values, isnull, OUTCOME_RULE, outcome->rule);
}

void
jo_asking_to_row(const JoAsking *asking, Datum *values, bool *isnull)
{
	const JoRun *run = asking->run;

	memset(isnull, false, ROW_COLUMNS * sizeof(bool));
	values[REQUEST_ENROLLMENT_ID] = UUIDPGetDatum(&run->id);
	values[REQUEST_ASKED_AT] = TimestampTzGetDatum(asking->at);
	values[REQUEST_JOURNEY_ID] = Int32GetDatum(run->journey_id);
	values[REQUEST_VERSION] = Int32GetDatum(run->version);
	values[REQUEST_VISIT] = Int32GetDatum(asking->visit);
	put_text(values, isnull, REQUEST_CUSTOMER_ID, run->member->customer_id);
	put_text(values, isnull, REQUEST_STEP, asking->step);
}
