/*
 * permission/ask.c
 *	  _ask_gate(): asks one gate about one message, for tests.
 *
 * The question is a JSON object with the members of JoGateQuestion; what it
 * leaves out is NULL or false.  With "count" the message goes out where the
 * gate allows it.
 */
#include "postgres.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/clock.h"
#include "core/definition.h"
#include "permission/gate.h"

PG_FUNCTION_INFO_V1(journey_orch_ask_gate);

static char *
string_of(Jsonb *object, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&object->root, name,
													 strlen(name), &buffer);

	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static bool
bool_of(Jsonb *object, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = getKeyJsonValueFromContainer(&object->root, name,
													 strlen(name), &buffer);

	return value != NULL && value->type == jbvBool && value->val.boolean;
}

static void
read_question(Jsonb *object, JoGateQuestion *question)
{
	char	   *message_id = string_of(object, "message_id");

	memset(question, 0, sizeof(*question));
	if (message_id != NULL)
		question->message_id =
			DatumGetUUIDP(DirectFunctionCall1(uuid_in,
											  CStringGetDatum(message_id)));
	question->customer_id = string_of(object, "customer_id");
	question->channel = string_of(object, "channel");
	question->channel_kind = "push";
	question->address = string_of(object, "address");
	question->topic = string_of(object, "topic");
	question->journey = string_of(object, "journey");
	question->timezone = string_of(object, "timezone");
	question->region = string_of(object, "region");
	question->has_place = bool_of(object, "has_place");
	question->is_stream = bool_of(object, "is_stream");
	question->expires_at = JO_NO_TIME;
}

static void
set_text(Datum *values, bool *nulls, int column, const char *string)
{
	nulls[column] = string == NULL;
	if (string != NULL)
		values[column] = CStringGetTextDatum(string);
}

/* _ask_gate(gate, question, clock, stage) → (answer, rule, reason, until,
 * ends_run, evidence) */
Datum
journey_orch_ask_gate(PG_FUNCTION_ARGS)
{
	static const char *const answers[] = {"allow", "defer", "withhold"};
	char	   *gate = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Jsonb	   *object = PG_GETARG_JSONB_P(1);
	char	   *stage = text_to_cstring(PG_GETARG_TEXT_PP(3));
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleDesc	descriptor;
	Datum		values[6];
	bool		nulls[6] = {false};
	JoGateQuestion question;
	JoGateDecision decision;
	JoGates    *gates;

	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	read_question(object, &question);
	jo_definition_adopt(snapshot);
	gates = jo_gates_begin(strcmp(stage, "claim") == 0 ? JO_GATE_AT_CLAIM :
						   JO_GATE_AT_ENQUEUE,
						   PG_GETARG_TIMESTAMPTZ(2), snapshot);
	jo_gates_ask_one(gates, gate, &question, &decision);
	if (decision.answer == JO_GATE_ALLOW && bool_of(object, "count"))
		jo_gates_count(gates, &question);
	jo_gates_end(gates);
	UnregisterSnapshot(snapshot);

	set_text(values, nulls, 0, answers[decision.answer]);
	set_text(values, nulls, 1, decision.rule);
	set_text(values, nulls, 2, decision.reason);
	values[3] = TimestampTzGetDatum(decision.until);
	nulls[3] = decision.until == JO_NO_TIME;
	values[4] = BoolGetDatum(decision.ends_run);
	values[5] = PointerGetDatum(decision.evidence);
	nulls[5] = decision.evidence == NULL;
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor),
													  values, nulls)));
}
