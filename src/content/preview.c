/*
 * content/preview.c
 *	  render(): a template as one customer would get it.
 *
 * Uses the same cache and renderer as the engine.  The customer's row is read
 * with the rights of the binding's owner and holes run with those of the
 * template's, as they do in a run; so whoever may call this sees what a
 * message would show him.  Only its links have no power.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "audience/audience.h"
#include "content/template.h"
#include "core/clock.h"
#include "core/errors.h"
#include "core/leaf.h"
#include "core/run_as.h"

PG_FUNCTION_INFO_V1(journey_orch_render);

/* Arguments of the function, in order. */
enum
{
	ARG_TEMPLATE,
	ARG_CUSTOMER,
	ARG_EVENT,
	ARG_CONTEXT,
	ARG_CHANNEL,
	ARG_LOCALE,
	ARG_TOPIC
};

/* Attributes of type journey_variable. */
enum
{
	JOURNEY_NAME,
	JOURNEY_VERSION,
	JOURNEY_STEP,
	JOURNEY_NOW,
	JOURNEY_ENTERED_AT,
	JOURNEY_ENTRY_EVENT,
	JOURNEY_EVENT_NAME,
	JOURNEY_KEY,
	JOURNEY_ENROLLMENT_ID,
	JOURNEY_CUSTOMER_ID,
	JOURNEY_TIMEZONE,
	JOURNEY_ATTRIBUTES
};

static void
ensure_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	if (PG_ARGISNULL(argument))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s() must not be null",
						name, "render")));
}

/* The object that templates read as "event" or "context". */
static Datum
object_argument(FunctionCallInfo fcinfo, int argument, const char *name)
{
	ensure_argument(fcinfo, argument, name);
	if (!JB_ROOT_IS_OBJECT(PG_GETARG_JSONB_P(argument)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" of %s() must be a JSON object",
						name, "render"),
				 errhint("Pass what a message would be made from, such as {\"amount\": 20}.")));
	return PG_GETARG_DATUM(argument);
}

static char *
optional_text(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/* Load the customer; raises when the row is missing or cannot be read. */
static void
load_customer(JoCustomer *customer, const char *id)
{
	memset(customer, 0, sizeof(JoCustomer));
	customer->customer_id = id;
	jo_customer_load(customer, 1, NULL);
	if (!customer->exists)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("customer \"%s\" does not exist", jo_clipped(id)),
				 errdetail("The bound relation has no row with this id.")));
}

/*
 * The variable "journey" of a preview: the clock, the customer, his zone and
 * the event; what only a run has is NULL.
 */
static Datum
make_journey(const JoCustomer *customer, Datum event)
{
	Oid			type = GetSysCacheOid2(TYPENAMENSP, Anum_pg_type_oid,
									   CStringGetDatum("journey_variable"),
									   ObjectIdGetDatum(jo_schema_oid()));
	TupleDesc	descriptor = lookup_rowtype_tupdesc(type, -1);
	Datum		values[JOURNEY_ATTRIBUTES];
	bool		isnull[JOURNEY_ATTRIBUTES];
	Datum		result;

	Assert(descriptor->natts == JOURNEY_ATTRIBUTES);
	memset(isnull, true, sizeof(isnull));
	values[JOURNEY_NOW] = TimestampTzGetDatum(jo_clock_now());
	values[JOURNEY_ENTERED_AT] = values[JOURNEY_NOW];
	values[JOURNEY_ENTRY_EVENT] = event;
	values[JOURNEY_CUSTOMER_ID] = CStringGetTextDatum(customer->customer_id);
	values[JOURNEY_TIMEZONE] = CStringGetTextDatum(customer->timezone != NULL ?
												   customer->timezone : "UTC");
	isnull[JOURNEY_NOW] = isnull[JOURNEY_ENTERED_AT] = false;
	isnull[JOURNEY_ENTRY_EVENT] = isnull[JOURNEY_CUSTOMER_ID] = false;
	isnull[JOURNEY_TIMEZONE] = false;

	result = heap_copy_tuple_as_datum(heap_form_tuple(descriptor, values, isnull),
									  descriptor);
	ReleaseTupleDesc(descriptor);
	return result;
}

/* The variable "message" of a preview in this channel. */
static Datum
make_message(const JoCustomer *customer, const char *channel, const char *topic)
{
	JoMessageSource source = {
		.fields = ~(uint32) 0,
		.channel = channel,
		.customer_id = customer->customer_id,
		.topic = topic,
		.now = jo_clock_now(),
		.is_preview = true
	};
	JoMessageFacts facts;

	jo_message_describe(&source, &facts);
	return jo_message_variable(&facts);
}

/* Channels of a template in order, as strings in CurrentMemoryContext. */
static List *
find_channels(const char *name)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			types[1] = {TEXTOID};
	Datum		values[1];
	List	   *channels = NIL;
	JoRunAs		saved;

	values[0] = CStringGetTextDatum(name);
	jo_run_as_extension(&saved);
	SPI_connect();
	SPI_execute_with_args("SELECT DISTINCT channel COLLATE \"C\""
						  " FROM journey_orch.message_template"
						  " WHERE name = $1 ORDER BY 1",
						  1, types, values, NULL, true, 0);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char	   *channel = SPI_getvalue(SPI_tuptable->vals[i],
										   SPI_tuptable->tupdesc, 1);
		MemoryContext oldcontext = MemoryContextSwitchTo(context);

		channels = lappend(channels, pstrdup(channel));
		MemoryContextSwitchTo(oldcontext);
	}
	SPI_finish();
	jo_run_as_end(&saved);

	return channels;
}

static void
raise_render_error(const char *name, const char *channel, const char *customer,
				   const JoRendered *rendered)
{
	const JoError *error = rendered->error;

	ereport(ERROR,
			(errcode(ERRCODE_JO_RENDER_FAILED),
			 errmsg("template \"%s\" of channel \"%s\" cannot be rendered for customer \"%s\"",
					name, channel, customer),
			 rendered->hole != NULL ?
			 errdetail("Hole {{ %s }} raised %s: %s.%s%s", rendered->hole,
					   error->sqlstate, error->message,
					   error->detail != NULL ? " " : "",
					   error->detail != NULL ? error->detail : "") :
			 errdetail("%s: %s.", error->sqlstate, error->message),
			 error->hint != NULL ? errhint("%s", error->hint) : 0));
}

/* Add one row to the result: channel, locale, subject, body, html, headers. */
static void
put_row(ReturnSetInfo *result, const char *channel, const JoTemplate *template,
		const JoRendered *rendered)
{
	Datum		values[6];
	bool		isnull[6] = {false};

	values[0] = CStringGetTextDatum(channel);
	values[1] = CStringGetTextDatum(template->locale);
	isnull[2] = rendered->subject == NULL;
	values[2] = isnull[2] ? (Datum) 0 : CStringGetTextDatum(rendered->subject);
	values[3] = CStringGetTextDatum(rendered->body);
	isnull[4] = rendered->html == NULL;
	values[4] = isnull[4] ? (Datum) 0 : CStringGetTextDatum(rendered->html);
	values[5] = JsonbPGetDatum(rendered->headers);
	tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
}

void
jo_preview_begin(JoPreview *preview, const char *customer_id, Datum event,
				 Datum context)
{
	memset(preview, 0, sizeof(*preview));
	load_customer(&preview->customer, customer_id);
	preview->variables.event = event;
	preview->variables.context = context;
	preview->variables.customer = preview->customer.row;
	preview->variables.customer_isnull = preview->customer.row == (Datum) 0;
	preview->variables.journey = make_journey(&preview->customer, event);
}

JoTemplate *
jo_preview_render(JoPreview *preview, const char *name, const char *channel,
				  const char *locale, const char *topic, JoRendered *rendered)
{
	const JoVariables *rows[1] = {&preview->variables};
	JoTemplate *template;

	template = jo_template_find_newest(name, channel, locale != NULL ? locale :
									   preview->customer.locale);
	if (template == NULL)
		return NULL;
	preview->variables.message = make_message(&preview->customer, channel,
											  topic);
	jo_template_render(template, 1, rows, rendered);
	if (rendered->error != NULL)
		raise_render_error(name, channel, preview->customer.customer_id,
						   rendered);
	return template;
}

/*
 * render(template, customer, event, context, channel, locale, topic): one row
 * a channel of the template, in order of channel.
 */
Datum
journey_orch_render(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	JoPreview	preview;
	List	   *channels;
	ListCell   *cell;
	Datum		event;
	Datum		context;
	char	   *name;
	char	   *locale;
	int			count = 0;

	ensure_argument(fcinfo, ARG_TEMPLATE, "template");
	ensure_argument(fcinfo, ARG_CUSTOMER, "customer");
	event = object_argument(fcinfo, ARG_EVENT, "event");
	context = object_argument(fcinfo, ARG_CONTEXT, "context");
	InitMaterializedSRF(fcinfo, 0);

	name = optional_text(fcinfo, ARG_TEMPLATE);
	channels = PG_ARGISNULL(ARG_CHANNEL) ? find_channels(name) :
		list_make1(optional_text(fcinfo, ARG_CHANNEL));
	jo_preview_begin(&preview, optional_text(fcinfo, ARG_CUSTOMER), event,
					 context);
	locale = optional_text(fcinfo, ARG_LOCALE);

	jo_template_cache_begin();
	foreach(cell, channels)
	{
		const char *channel = lfirst(cell);
		JoTemplate *template;
		JoRendered	rendered;

		template = jo_preview_render(&preview, name, channel, locale,
									 optional_text(fcinfo, ARG_TOPIC),
									 &rendered);
		if (template == NULL)
			continue;
		put_row(result, channel, template, &rendered);
		count++;
	}
	jo_template_cache_end();

	if (locale == NULL)
		locale = preview.customer.locale;
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 PG_ARGISNULL(ARG_CHANNEL) ?
				 errmsg("template \"%s\" does not exist", jo_clipped(name)) :
				 errmsg("template \"%s\" of channel \"%s\" does not exist",
						jo_clipped(name),
						jo_clipped(optional_text(fcinfo, ARG_CHANNEL))),
				 locale == NULL ? 0 :
				 errdetail("Neither for locale \"%s\" nor for the default locale.",
						   jo_clipped(locale))));
	return (Datum) 0;
}
