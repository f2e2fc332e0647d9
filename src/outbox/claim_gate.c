/*
 * outbox/claim_gate.c
 *	  The gates of room permission, asked of an attempt that is to be handed
 *	  out, and what they decided.
 *
 * A message that was withdrawn by its run, or whose journey is paused, is none
 * of theirs.  One whose time is over is: that another gate would have withheld
 * it for good is the better reason, that one would have deferred it is none.
 *
 * Where nothing is declared no question is asked, and none is put together.
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/memutils.h"

#include "core/clock.h"
#include "outbox/claiming.h"

/* A column as a string in CurrentMemoryContext, or NULL. */
static char *
read_text(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? NULL :
		TextDatumGetCString(slot->tts_values[column]);
}

static char *
read_address(TupleTableSlot *slot)
{
	Jsonb	   *payload = DatumGetJsonbP(slot->tts_values[OUTBOX_PAYLOAD]);
	JsonbValue	buffer;
	JsonbValue *address = getKeyJsonValueFromContainer(&payload->root,
													   "address",
													   strlen("address"),
													   &buffer);

	if (address == NULL || address->type != jbvString)
		return NULL;
	return pnstrdup(address->val.string.val, address->val.string.len);
}

/* Put the question together; it lives until the next one. */
static void
make_question(JoClaiming *claiming, TupleTableSlot *slot)
{
	JoGateQuestion *question = &claiming->question;
	MemoryContext caller;

	MemoryContextReset(claiming->question_context);
	caller = MemoryContextSwitchTo(claiming->question_context);
	memset(question, 0, sizeof(*question));
	question->message_id = memcpy(palloc(sizeof(pg_uuid_t)),
								  jo_slot_uuid(slot, OUTBOX_ID),
								  sizeof(pg_uuid_t));
	question->customer_id = read_text(slot, OUTBOX_CUSTOMER_ID);
	question->channel = claiming->claim.channel;
	question->channel_kind = claiming->channel_kind;
	question->channel_consent = claiming->channel_consent;
	question->address = read_address(slot);
	question->topic = read_text(slot, OUTBOX_TOPIC);
	question->journey =
		jo_journey_name(DatumGetInt32(slot->tts_values[OUTBOX_JOURNEY_ID]));
	question->timezone = read_text(slot, OUTBOX_TIMEZONE);
	question->region = read_text(slot, OUTBOX_REGION);
	question->has_place = question->timezone != NULL ||
		question->region != NULL;
	question->is_test = jo_slot_is_test(slot);
	question->expires_at = slot->tts_isnull[OUTBOX_EXPIRES_AT] ? JO_NO_TIME :
		DatumGetTimestampTz(slot->tts_values[OUTBOX_EXPIRES_AT]);
	MemoryContextSwitchTo(caller);
}

JoGateVerdict
jo_claiming_judge(JoClaiming *claiming, JoGate *gate, TupleTableSlot *slot)
{
	JoGateVerdict verdict = jo_gate_check(gate, slot);
	JoGateDecision *decision = &claiming->decision;

	decision->gate = NULL;
	if (!jo_gates_are_active(claiming->gates) ||
		(verdict != JO_GATE_PASSED && verdict != JO_GATE_EXPIRED))
		return verdict;
	make_question(claiming, slot);
	jo_gates_ask(claiming->gates, &claiming->question, decision);
	if (verdict == JO_GATE_EXPIRED &&
		(decision->answer != JO_GATE_WITHHOLD ||
		 strcmp(decision->gate, "expiry") == 0))
	{
		decision->gate = NULL;
		return JO_GATE_EXPIRED;
	}
	switch (decision->answer)
	{
		case JO_GATE_ALLOW:
			return JO_GATE_PASSED;
		case JO_GATE_DEFER:
			return JO_GATE_DEFERRED;
		case JO_GATE_WITHHOLD:
			return JO_GATE_WITHHELD;
	}
	return JO_GATE_PASSED;		/* keep the compiler quiet */
}

void
jo_claiming_record(JoClaiming *claiming, TupleTableSlot *slot)
{
	JoGateRecord *record;

	if (claiming->nrecords == claiming->records_room)
	{
		claiming->records_room = Max(16, claiming->records_room * 2);
		claiming->records = claiming->records == NULL ?
			palloc(claiming->records_room * sizeof(JoGateRecord)) :
			repalloc(claiming->records,
					 claiming->records_room * sizeof(JoGateRecord));
	}
	record = &claiming->records[claiming->nrecords++];
	record->message_id = *jo_slot_uuid(slot, OUTBOX_ID);
	record->enrollment_id = *jo_slot_uuid(slot, OUTBOX_ENROLLMENT_ID);
	record->customer_id = read_text(slot, OUTBOX_CUSTOMER_ID);
	record->step = read_text(slot, OUTBOX_STEP);
	record->channel = claiming->claim.channel;
	record->template = read_text(slot, OUTBOX_TEMPLATE);
	record->topic = read_text(slot, OUTBOX_TOPIC);
	record->arm = read_text(slot, OUTBOX_ARM);
	record->journey_id = DatumGetInt32(slot->tts_values[OUTBOX_JOURNEY_ID]);
	record->version = DatumGetInt32(slot->tts_values[OUTBOX_VERSION]);
	record->visit = DatumGetInt32(slot->tts_values[OUTBOX_VISIT]);
	record->attempt = DatumGetInt32(slot->tts_values[OUTBOX_ATTEMPT]);
	record->lane = DatumGetInt16(slot->tts_values[OUTBOX_LANE]);
	record->stage = JO_GATE_AT_CLAIM;
	record->decided_at = claiming->clock;
	record->decision = claiming->decision;
}

void
jo_claiming_write_records(JoClaiming *claiming)
{
	jo_gate_record_append(claiming->records, claiming->nrecords);
}
