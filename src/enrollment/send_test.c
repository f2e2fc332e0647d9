/*
 * enrollment/send_test.c
 *	  send_test(): the message of a step as one customer would get it, to
 *	  addresses of one's own.
 *
 * It is rendered here and now, marked, and goes the way of every message: by the
 * lane's outbox (command.c), a claim and the relay.  The gates are asked
 * what they would say of the real message, and the answers are shown; they do
 * not stop a test, only a halt does, when the message is claimed.  Nothing is
 * counted: caps pass it over, and what relays report of it steers no journey.
 * Its links have no power.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "capture/capture.h"
#include "content/content.h"
#include "core/clock.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/leaf.h"
#include "enrollment/batch.h"
#include "enrollment/json.h"
#include "journey/author.h"
#include "outbox/outbox.h"
#include "permission/permission.h"

PG_FUNCTION_INFO_V1(journey_orch_send_test);

#define MARK "[test] "
#define MAX_SEEDS 100
#define SEED_BYTES 1000

/* Arguments of send_test(), in order. */
enum
{
	ARG_JOURNEY,
	ARG_STEP,
	ARG_CUSTOMER,
	ARG_SEED_LIST,
	ARG_EVENT,
	ARG_CONTEXT,
	ARG_VERSION,
	ARG_CHANNEL
};

typedef struct Testing
{
	JoStoredJourney journey;
	char	   *name;
	int32		version;
	const JoStep *step;
	JoPreview	preview;
	int			nseeds;
	char	  **seeds;
} Testing;

/* What one channel's message would meet. */
typedef struct GateAnswers
{
	const char *first;			/* answer of the gate that decides, or allow */
	Jsonb	   *all;			/* array of objects, in the gates' order */
} GateAnswers;

static Datum
object_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	jo_ensure_not_null(fcinfo, argument, name);
	if (!JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(argument)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON object", name)));
	return PG_GETARG_DATUM(argument);
}

/* The addresses, checked. */
static void
read_seeds(FunctionCallInfo fcinfo, Testing *testing)
{
	Datum	   *seeds;
	bool	   *isnull;

	jo_ensure_not_null(fcinfo, ARG_SEED_LIST, "seed_list");
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(ARG_SEED_LIST), TEXTOID, -1, false,
					  TYPALIGN_INT, &seeds, &isnull, &testing->nseeds);
	if (testing->nseeds < 1 || testing->nseeds > MAX_SEEDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must have 1 to %d addresses, not %d",
						"seed_list", MAX_SEEDS, testing->nseeds)));
	testing->seeds = palloc(sizeof(char *) * testing->nseeds);
	for (int i = 0; i < testing->nseeds; i++)
	{
		if (isnull[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("element %d of argument \"%s\" must not be null",
							i + 1, "seed_list")));
		testing->seeds[i] = TextDatumGetCString(seeds[i]);
		if (testing->seeds[i][0] == '\0' ||
			strlen(testing->seeds[i]) > SEED_BYTES)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("element %d of argument \"%s\" must have 1 to %d bytes",
							i + 1, "seed_list", SEED_BYTES)));
	}
}

/* The send step of the definition; raises when there is none. */
static const JoStep *
find_step(const Testing *testing, Jsonb *definition, const char *name)
{
	const JoGraph *graph = jo_definition_read(definition,
											  testing->journey.owner,
											  false)->graph;

	for (int i = 0; i < graph->nsteps; i++)
	{
		if (strcmp(graph->steps[i].name, name) != 0)
			continue;
		if (graph->steps[i].verb == JO_SEND)
			return &graph->steps[i];
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("step \"%s\" of journey \"%s\" sends no message",
						jo_clipped(name), testing->name)));
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("step \"%s\" of journey \"%s\" does not exist",
					jo_clipped(name), testing->name),
			 errhint("journey_orch.definition() shows the steps.")));
}

/* The customer's own address, which gates look at; NULL: none. */
static char *
find_address(Testing *testing, const JoChannel *channel)
{
	const JoVariables *rows[1] = {&testing->preview.variables};
	JoError    *error = NULL;
	Datum		address;
	bool		isnull = true;

	if (channel->address != NULL)
		jo_expression_evaluate(channel->address, 1, rows, &address, &isnull,
							   &error);
	return isnull || error != NULL ? NULL : TextDatumGetCString(address);
}

/* What one gate says, as an object. */
static Jsonb *
describe_answer(const char *gate, const char *answer,
				const JoGateDecision *decision)
{
	Jsonb	   *object = jo_json_put_string(NULL, "gate", gate);

	object = jo_json_put_string(object, "answer", answer);
	object = jo_json_put_string(object, "rule", decision->rule);
	object = jo_json_put_string(object, "reason", decision->reason);
	if (decision->until != JO_NO_TIME)
		object = jo_json_put_time(object, "until", decision->until);
	return object;
}

/* Ask every gate about the real message. */
static void
ask_gates(Testing *testing, const JoChannel *channel, GateAnswers *answers)
{
	static const char *const words[] = {"allow", "defer", "withhold"};
	JoGateQuestion question = {
		.customer_id = testing->preview.customer.customer_id,
		.channel = channel->name,
		.channel_kind = channel->kind,
		.channel_consent = channel->consent,
		.address = find_address(testing, channel),
		.topic = testing->step->u.send.topic,
		.journey = testing->name,
		.timezone = testing->preview.customer.timezone,
		.region = testing->preview.customer.region,
		.has_place = true,
		.expires_at = JO_NO_TIME
	};
	JsonbParseState *list = NULL;
	JoGates    *gates;
	const char *gate;

	gates = jo_gates_begin(JO_GATE_AT_CLAIM, jo_clock_now(),
						   GetActiveSnapshot());
	pushJsonbValue(&list, WJB_BEGIN_ARRAY, NULL);
	answers->first = words[JO_GATE_ALLOW];
	for (int i = 0; (gate = jo_gates_name(i)) != NULL; i++)
	{
		JoGateDecision decision;
		JsonbValue	item;
		Jsonb	   *object;

		jo_gates_ask_one(gates, gate, &question, &decision);
		if (decision.answer != JO_GATE_ALLOW &&
			strcmp(answers->first, words[JO_GATE_ALLOW]) == 0)
			answers->first = words[decision.answer];
		object = describe_answer(gate, words[decision.answer], &decision);
		item.type = jbvBinary;
		item.val.binary.data = &object->root;
		item.val.binary.len = VARSIZE(object) - VARHDRSZ;
		pushJsonbValue(&list, WJB_ELEM, &item);
	}
	answers->all =
		JsonbValueToJsonb(pushJsonbValue(&list, WJB_END_ARRAY, NULL));
	jo_gates_end(gates);
}

/*
 * Mark what was rendered: in the subject, in a header, and where there is no
 * subject in the text, unless that is the JSON of a push message.
 */
static void
mark(const Testing *testing, JoRendered *rendered)
{
	Jsonb	   *header;

	if (rendered->subject != NULL)
		rendered->subject = psprintf(MARK "%s", rendered->subject);
	else if (strchr("{[", rendered->body[0]) == NULL ||
			 rendered->body[0] == '\0')
		rendered->body = psprintf(MARK "%s", rendered->body);
	header = jo_json_put_string(NULL, "X-Journey-Test",
								psprintf("%s/%s", testing->name,
										 testing->step->name));
	rendered->headers =
		DatumGetJsonbP(DirectFunctionCall2(jsonb_concat,
										   JsonbPGetDatum(rendered->headers),
										   JsonbPGetDatum(header)));
}

/* Give the command that hands the message to the outbox; returns its event. */
static int64
append_command(const Testing *testing, const char *channel,
			   const char *address, const JoRendered *rendered)
{
	Jsonb	   *is_test = DatumGetJsonbP(DirectFunctionCall1(jsonb_in,
															 CStringGetDatum("true")));
	Jsonb	   *payload;
	Jsonb	   *command;
	JoEvent		event = {0};

	payload = jo_outbox_payload(address, rendered->subject, rendered->body,
								rendered->html, rendered->headers);
	payload = jo_jsonb_put(payload, "is_test", is_test);
	command = jo_json_put_int(NULL, "journey_id", testing->journey.journey_id);
	command = jo_json_put_int(command, "version", testing->version);
	command = jo_json_put_string(command, "step", testing->step->name);
	command = jo_json_put_string(command, "channel", channel);
	command = jo_json_put_string(command, "template",
								 testing->step->u.send.template);
	if (testing->step->u.send.topic != NULL)
		command = jo_json_put_string(command, "topic",
									 testing->step->u.send.topic);
	command = jo_jsonb_put(command, "payload", payload);

	event.kind = JO_EVENT_KIND_COMMAND;
	event.name = JO_COMMAND_TEST;
	event.customer_id =
		unconstify(char *, testing->preview.customer.customer_id);
	event.payload = command;
	jo_event_append(&event, 1);
	return event.seq;
}

/* Render and send in one channel; one row for each address. */
static void
test_channel(ReturnSetInfo *result, Testing *testing, const JoChannel *channel)
{
	JoMessageSource source = {
		.fields = JO_MESSAGE_UNSUBSCRIBE_URL,
		.channel = channel->name,
		.customer_id = testing->preview.customer.customer_id,
		.topic = testing->step->u.send.topic,
		.now = jo_clock_now(),
		.is_preview = true
	};
	JoMessageFacts facts;
	JoRendered	rendered;
	GateAnswers answers;

	if (jo_preview_render(&testing->preview, testing->step->u.send.template,
						  channel->name, NULL, testing->step->u.send.topic,
						  &rendered) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("template \"%s\" of channel \"%s\" does not exist",
						testing->step->u.send.template, channel->name)));
	if (channel->opt_out == JO_OPT_OUT_LINK)
	{
		jo_message_describe(&source, &facts);
		rendered.headers = jo_message_add_headers(rendered.headers, &facts);
	}
	mark(testing, &rendered);
	ask_gates(testing, channel, &answers);
	for (int i = 0; i < testing->nseeds; i++)
	{
		Datum		values[6];
		bool		isnull[6] = {false};

		values[0] = CStringGetTextDatum(channel->name);
		values[1] = CStringGetTextDatum(testing->seeds[i]);
		values[2] = Int64GetDatum(append_command(testing, channel->name,
												 testing->seeds[i], &rendered));
		isnull[3] = rendered.subject == NULL;
		values[3] = isnull[3] ? (Datum) 0 :
			CStringGetTextDatum(rendered.subject);
		values[4] = CStringGetTextDatum(answers.first);
		values[5] = JsonbPGetDatum(answers.all);
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 isnull);
	}
}

/*
 * The channel that is tested: "wanted", which must be one of the step's, else
 * the first that a relay drains, since only there a message can go to another
 * address than the customer's.
 */
static const JoChannel *
find_channel(const Testing *testing, const char *wanted)
{
	const JoStep *step = testing->step;

	for (int i = 0; i < step->u.send.nchannels; i++)
	{
		const JoChannel *channel = jo_channel_find(step->u.send.channels[i]);

		if (channel != NULL && strcmp(channel->kind, "push") == 0 &&
			(wanted == NULL || strcmp(channel->name, wanted) == 0))
			return channel;
	}
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 wanted != NULL ?
			 errmsg("step \"%s\" of journey \"%s\" has no channel \"%s\" that a relay drains",
					step->name, testing->name, jo_clipped(wanted)) :
			 errmsg("step \"%s\" of journey \"%s\" has no channel that a relay drains",
					step->name, testing->name),
			 errhint("Messages of other kinds of channels cannot go to another address: look at them with journey_orch.render().")));
}

/*
 * send_test(journey, step, customer, seed_list, event, context, version,
 * channel): one row an address.
 */
Datum
journey_orch_send_test(PG_FUNCTION_ARGS)
{
	Testing		testing = {0};
	char	   *step;
	char	   *customer;
	char	   *channel;
	Datum		event;
	Datum		context;
	Jsonb	   *definition;

	PreventCommandIfReadOnly("journey_orch.send_test()");
	jo_ensure_not_null(fcinfo, ARG_JOURNEY, "journey");
	jo_ensure_not_null(fcinfo, ARG_STEP, "step");
	jo_ensure_not_null(fcinfo, ARG_CUSTOMER, "customer");
	testing.name = text_to_cstring(PG_GETARG_TEXT_PP(ARG_JOURNEY));
	step = text_to_cstring(PG_GETARG_TEXT_PP(ARG_STEP));
	customer = text_to_cstring(PG_GETARG_TEXT_PP(ARG_CUSTOMER));
	channel = PG_ARGISNULL(ARG_CHANNEL) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(ARG_CHANNEL));
	read_seeds(fcinfo, &testing);
	event = object_argument(fcinfo, ARG_EVENT, "event");
	context = object_argument(fcinfo, ARG_CONTEXT, "context");
	testing.version = jo_version_argument(fcinfo, ARG_VERSION);
	InitMaterializedSRF(fcinfo, 0);

	jo_get_journey(testing.name, &testing.journey);
	if (testing.version == 0)
		testing.version = jo_find_published(&testing.journey);
	definition = jo_get_definition(testing.name, &testing.journey,
								   &testing.version);
	testing.step = find_step(&testing, definition, step);
	jo_leaf_ensure();
	jo_definition_adopt(GetActiveSnapshot());
	jo_preview_begin(&testing.preview, customer, event, context);
	jo_channel_cache_begin();
	jo_template_cache_begin();
	test_channel((ReturnSetInfo *) fcinfo->resultinfo, &testing,
				 find_channel(&testing, channel));
	jo_template_cache_end();
	jo_channel_cache_end();
	return (Datum) 0;
}
