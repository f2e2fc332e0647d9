/*
 * outbox/message_event.c
 *	  What becomes of a message is told to the engine as an event.
 *
 * The event carries all that the engine needs to decide (retry, next channel,
 * the declared branch, dead letter), so that it never reads the outbox: the
 * row may lie in a segment that was emptied since.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/numeric.h"

#include "outbox/reporting.h"

static void
push_key(JsonbParseState **state, const char *name)
{
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	pushJsonbValue(state, WJB_KEY, &key);
}

static void
push_null(JsonbParseState **state, const char *name)
{
	JsonbValue	value;

	push_key(state, name);
	value.type = jbvNull;
	pushJsonbValue(state, WJB_VALUE, &value);
}

static void
push_string(JsonbParseState **state, const char *name, const char *string)
{
	JsonbValue	value;

	push_key(state, name);
	value.type = jbvString;
	value.val.string.val = unconstify(char *, string);
	value.val.string.len = strlen(string);
	pushJsonbValue(state, WJB_VALUE, &value);
}

static void
push_int(JsonbParseState **state, const char *name, int64 number)
{
	JsonbValue	value;

	push_key(state, name);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	pushJsonbValue(state, WJB_VALUE, &value);
}

static void
push_bool(JsonbParseState **state, const char *name, bool boolean)
{
	JsonbValue	value;

	push_key(state, name);
	value.type = jbvBool;
	value.val.boolean = boolean;
	pushJsonbValue(state, WJB_VALUE, &value);
}

static void
push_jsonb(JsonbParseState **state, const char *name, Jsonb *jsonb)
{
	JsonbValue	value;

	push_key(state, name);
	value.type = jbvBinary;
	value.val.binary.data = &jsonb->root;
	value.val.binary.len = VARSIZE(jsonb) - VARHDRSZ;
	pushJsonbValue(state, WJB_VALUE, &value);
}

static void
push_timestamp(JsonbParseState **state, const char *name, TimestampTz at)
{
	char		buffer[MAXDATELEN + 1];

	JsonEncodeDateTime(buffer, TimestampTzGetDatum(at), TIMESTAMPTZOID, NULL);
	push_string(state, name, pstrdup(buffer));
}

/* A column of the attempt, under "name"; NULL becomes null. */
static void
push_column(JsonbParseState **state, const char *name, TupleTableSlot *slot,
			int column)
{
	Datum		value = slot->tts_values[column];

	if (slot->tts_isnull[column])
	{
		push_null(state, name);
		return;
	}
	switch (TupleDescAttr(slot->tts_tupleDescriptor, column)->atttypid)
	{
		case UUIDOID:
			push_string(state, name,
						DatumGetCString(DirectFunctionCall1(uuid_out, value)));
			break;
		case TEXTOID:
			push_string(state, name, TextDatumGetCString(value));
			break;
		case INT2OID:
			push_int(state, name, DatumGetInt16(value));
			break;
		case INT4OID:
			push_int(state, name, DatumGetInt32(value));
			break;
		case INT8OID:
			push_int(state, name, DatumGetInt64(value));
			break;
		case BOOLOID:
			push_bool(state, name, DatumGetBool(value));
			break;
		case TIMESTAMPTZOID:
			push_timestamp(state, name, DatumGetTimestampTz(value));
			break;
		case JSONBOID:
			push_jsonb(state, name, DatumGetJsonbP(value));
			break;
		default:
			elog(ERROR, "column %d of table \"outbox\" has an unexpected type",
				 column + 1);
	}
}

/* Which message, and of which visit of which run. */
static void
push_message(JsonbParseState **state, TupleTableSlot *slot)
{
	push_column(state, "message_id", slot, OUTBOX_ID);
	push_column(state, "enrollment_id", slot, OUTBOX_ENROLLMENT_ID);
	push_column(state, "journey_id", slot, OUTBOX_JOURNEY_ID);
	push_column(state, "version", slot, OUTBOX_VERSION);
	push_column(state, "step", slot, OUTBOX_STEP);
	push_column(state, "visit", slot, OUTBOX_VISIT);
	push_column(state, "channel", slot, OUTBOX_CHANNEL);
}

static void
push_attempt(JsonbParseState **state, TupleTableSlot *slot)
{
	push_column(state, "attempt", slot, OUTBOX_ATTEMPT);
	push_column(state, "template", slot, OUTBOX_TEMPLATE);
	push_column(state, "topic", slot, OUTBOX_TOPIC);
	push_column(state, "arm", slot, OUTBOX_ARM);
	push_column(state, "priority", slot, OUTBOX_PRIORITY);
	push_column(state, "event_id", slot, OUTBOX_EVENT_ID);
	push_column(state, "is_awaited", slot, OUTBOX_IS_AWAITED);
	push_column(state, "enqueued_at", slot, OUTBOX_ENQUEUED_AT);
	push_column(state, "expires_at", slot, OUTBOX_EXPIRES_AT);
}

/* Which gate has stopped the message, and why; what it saw stays inside. */
static void
push_decision(JsonbParseState **state, const JoGateDecision *decision)
{
	push_string(state, "gate", decision->gate);
	if (decision->rule != NULL)
		push_string(state, "rule", decision->rule);
	else
		push_null(state, "rule");
	push_string(state, "reason", decision->reason);
}

static void
push_failure(JsonbParseState **state, TupleTableSlot *slot,
			 const JoFailure *failure)
{
	push_string(state, "error", failure->error);
	push_bool(state, "permanent", failure->is_permanent);
	if (failure->has_retry_after)
	{
		JsonbValue	value;

		push_key(state, "retry_after");
		value.type = jbvNumeric;
		value.val.numeric =
			DatumGetNumeric(DirectFunctionCall1(float8_numeric,
												Float8GetDatum(failure->retry_after)));
		pushJsonbValue(state, WJB_VALUE, &value);
	}
	else
		push_null(state, "retry_after");
	if (failure->decision != NULL)
	{
		push_decision(state, failure->decision);
		push_timestamp(state, "until", failure->decision->until);
	}
	push_column(state, "failures", slot, OUTBOX_FAILURES);
	push_column(state, "payload", slot, OUTBOX_PAYLOAD);
}

/*
 * The event's fields beside its payload.  Whatever is told of a test message is
 * one event of a name that no journey waits for.
 */
static void
begin_event(JoEvent *event, const char *status, TupleTableSlot *slot)
{
	memset(event, 0, sizeof(JoEvent));
	event->kind = JO_EVENT_KIND_MESSAGE;
	event->customer_id =
		TextDatumGetCString(slot->tts_values[OUTBOX_CUSTOMER_ID]);
	event->name = jo_slot_is_test(slot) ? pstrdup("message.test") :
		psprintf("message.%s", status);
}

void
jo_message_event(JoEvent *event, const char *status, TupleTableSlot *slot,
				 const JoFailure *failure)
{
	JsonbParseState *state = NULL;

	begin_event(event, status, slot);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_message(&state, slot);
	push_attempt(&state, slot);
	if (failure != NULL)
		push_failure(&state, slot, failure);
	event->payload =
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

void
jo_withheld_event(JoEvent *event, TupleTableSlot *slot,
				  const JoGateDecision *decision)
{
	JsonbParseState *state = NULL;

	begin_event(event, "withheld", slot);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_message(&state, slot);
	push_attempt(&state, slot);
	push_decision(&state, decision);
	if (decision->ends_run)
		push_bool(&state, "ends_run", true);
	event->payload =
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

void
jo_report_event(JoEvent *event, const JoReport *report, TupleTableSlot *slot)
{
	JsonbParseState *state = NULL;

	begin_event(event, report->status, slot);
	event->has_occurred_at = true;
	event->occurred_at = report->at;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_message(&state, slot);
	push_string(&state, "status", report->status);
	push_bool(&state, "is_machine", report->is_machine);
	push_jsonb(&state, "detail", report->detail);
	event->payload =
		JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

Jsonb *
jo_failure_detail(const char *error, bool is_permanent)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_string(&state, "error", error);
	push_bool(&state, "permanent", is_permanent);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
