/*
 * permission/decision.c
 *	  Rows of table gate_decision: why a message was not let through.
 *
 * A lane writes those of messages that it is about to enqueue, claim() those
 * of messages that it is about to hand out; so a leaf has several writers, and
 * none of them waits for another.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "core/append.h"
#include "core/clock.h"
#include "core/leaf.h"
#include "permission/permission.h"

/* Columns of table gate_decision, in order. */
enum
{
	DECISION_MESSAGE_ID, DECISION_ENROLLMENT_ID, DECISION_UNTIL,
	DECISION_DECIDED_AT, DECISION_RECORDED_AT, DECISION_JOURNEY_ID,
	DECISION_VERSION, DECISION_VISIT, DECISION_ATTEMPT, DECISION_LANE,
	DECISION_SEGMENT, DECISION_CUSTOMER_ID, DECISION_STEP, DECISION_CHANNEL,
	DECISION_TEMPLATE, DECISION_TOPIC, DECISION_ARM, DECISION_STAGE,
	DECISION_ANSWER, DECISION_GATE, DECISION_RULE, DECISION_REASON,
	DECISION_EVIDENCE,
	DECISION_COLUMNS
};

static void
put_text(Datum *values, bool *isnull, int column, const char *string)
{
	isnull[column] = string == NULL;
	if (string != NULL)
		values[column] = CStringGetTextDatum(string);
}

/* The columns that the leaf and the real clock do not decide. */
static void
set_record(const JoGateRecord *record, Datum *values, bool *isnull)
{
	const JoGateDecision *decision = &record->decision;

	values[DECISION_MESSAGE_ID] = UUIDPGetDatum(&record->message_id);
	values[DECISION_ENROLLMENT_ID] = UUIDPGetDatum(&record->enrollment_id);
	values[DECISION_UNTIL] = TimestampTzGetDatum(decision->until);
	isnull[DECISION_UNTIL] = decision->until == JO_NO_TIME;
	values[DECISION_DECIDED_AT] = TimestampTzGetDatum(record->decided_at);
	values[DECISION_JOURNEY_ID] = Int32GetDatum(record->journey_id);
	values[DECISION_VERSION] = Int32GetDatum(record->version);
	values[DECISION_VISIT] = Int32GetDatum(record->visit);
	values[DECISION_ATTEMPT] = Int32GetDatum(record->attempt);
	put_text(values, isnull, DECISION_CUSTOMER_ID, record->customer_id);
	put_text(values, isnull, DECISION_STEP, record->step);
	put_text(values, isnull, DECISION_CHANNEL, record->channel);
	put_text(values, isnull, DECISION_TEMPLATE, record->template);
	put_text(values, isnull, DECISION_TOPIC, record->topic);
	put_text(values, isnull, DECISION_ARM, record->arm);
	put_text(values, isnull, DECISION_STAGE,
			 record->stage == JO_GATE_AT_CLAIM ? "claim" : "enqueue");
	put_text(values, isnull, DECISION_ANSWER,
			 decision->answer == JO_GATE_DEFER ? "defer" : "withhold");
	put_text(values, isnull, DECISION_GATE, decision->gate);
	put_text(values, isnull, DECISION_RULE, decision->rule);
	put_text(values, isnull, DECISION_REASON, decision->reason);
	values[DECISION_EVIDENCE] = PointerGetDatum(decision->evidence);
	isnull[DECISION_EVIDENCE] = decision->evidence == NULL;
}

/* Append what is one lane's. */
static void
append_to_lane(int lane, const JoGateRecord *records, int n,
			   MemoryContext row_context)
{
	int			segment = jo_leaf_current(JO_GATE_DECISION, lane);
	TimestampTz now = GetCurrentTimestamp();
	JoAppend   *append = jo_append_begin(jo_leaf_oid(JO_GATE_DECISION, lane,
													 segment));
	MemoryContext caller = MemoryContextSwitchTo(row_context);

	for (int i = 0; i < n; i++)
	{
		Datum		values[DECISION_COLUMNS];
		bool		isnull[DECISION_COLUMNS] = {false};

		set_record(&records[i], values, isnull);
		values[DECISION_RECORDED_AT] = TimestampTzGetDatum(now);
		values[DECISION_LANE] = Int16GetDatum(lane);
		values[DECISION_SEGMENT] = Int16GetDatum(segment);
		jo_append_row(append, values, isnull);
		MemoryContextReset(row_context);
	}
	MemoryContextSwitchTo(caller);
	jo_append_end(append);
}

void
jo_gate_record_append(const JoGateRecord *records, int n)
{
	MemoryContext row_context;
	int			end;

	if (n == 0)
		return;
	row_context = AllocSetContextCreate(CurrentMemoryContext,
										"jo_gate_decision row",
										ALLOCSET_SMALL_SIZES);
	for (int start = 0; start < n; start = end)
	{
		for (end = start + 1; end < n; end++)
			if (records[end].lane != records[start].lane)
				break;
		append_to_lane(records[start].lane, records + start, end - start,
					   row_context);
	}
	MemoryContextDelete(row_context);
}
