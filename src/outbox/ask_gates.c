/*
 * outbox/ask_gates.c
 *	  SQL function ask_gates(): what the gates would say of a message.
 *
 * Nothing is counted and nothing is kept: a cap that a real message would meet
 * is looked at, not used up.  The channel need not exist: a rule may be looked at
 * before it does.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/clock.h"
#include "core/definition.h"
#include "outbox/outbox.h"
#include "permission/permission.h"

PG_FUNCTION_INFO_V1(journey_orch_ask_gates);

/* Arguments of the function, in order. */
enum
{
	ARG_CUSTOMER,
	ARG_CHANNEL,
	ARG_TOPIC,
	ARG_ADDRESS,
	ARG_JOURNEY,
	ARG_KIND
};

static char *
optional_text(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

static char *
required_text(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s() must not be null",
						name, "ask_gates")));
	return optional_text(fcinfo, argument);
}

static void
set_text(Datum *value, bool *isnull, const char *string)
{
	*isnull = string == NULL;
	*value = string == NULL ? (Datum) 0 : CStringGetTextDatum(string);
}

/* What the channel says of itself, where there is one. */
static void
describe_channel(JoGateQuestion *question)
{
	const JoChannel *channel;

	jo_channel_cache_begin();
	channel = jo_channel_find(question->channel);
	if (channel != NULL)
	{
		if (question->channel_kind == NULL)
			question->channel_kind = pstrdup(channel->kind);
		question->channel_consent = pstrdup(channel->consent);
		question->is_stream = strcmp(channel->drain, "stream") == 0;
	}
	jo_channel_cache_end();
	if (question->channel_kind == NULL)
		question->channel_kind = "push";
}

/*
 * SQL: ask_gates(customer, channel, topic, address, journey, kind) →
 * (decision, gate, rule, reason, until, evidence)
 */
Datum
journey_orch_ask_gates(PG_FUNCTION_ARGS)
{
	static const char *const answers[] = {"allow", "defer", "withhold"};
	JoGateQuestion question = {0};
	JoGateDecision decision;
	JoGates    *gates;
	TupleDesc	descriptor;
	Datum		values[6];
	bool		isnull[6];

	question.customer_id = required_text(fcinfo, ARG_CUSTOMER, "customer");
	question.channel = required_text(fcinfo, ARG_CHANNEL, "channel");
	question.topic = optional_text(fcinfo, ARG_TOPIC);
	question.address = optional_text(fcinfo, ARG_ADDRESS);
	question.journey = optional_text(fcinfo, ARG_JOURNEY);
	question.channel_kind = optional_text(fcinfo, ARG_KIND);
	question.expires_at = JO_NO_TIME;
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	jo_definition_adopt(GetActiveSnapshot());
	describe_channel(&question);
	gates = jo_gates_begin(JO_GATE_AT_CLAIM, jo_clock_now(),
						   GetActiveSnapshot());
	jo_gates_ask(gates, &question, &decision);

	set_text(&values[0], &isnull[0], answers[decision.answer]);
	set_text(&values[1], &isnull[1], decision.gate);
	set_text(&values[2], &isnull[2], decision.rule);
	set_text(&values[3], &isnull[3], decision.reason);
	isnull[4] = decision.until == JO_NO_TIME;
	values[4] = TimestampTzGetDatum(decision.until);
	isnull[5] = decision.evidence == NULL;
	values[5] = JsonbPGetDatum(decision.evidence);
	jo_gates_end(gates);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor),
													  values, isnull)));
}
