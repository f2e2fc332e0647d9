/*
 * capture/emit.c
 *	  SQL function emit(): an event told by an application.
 *
 * Without a key it is one append and no SQL.  With a key the ticket is drawn
 * first, because it is the id that the key will stand for.
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "capture/internal.h"
#include "core/errors.h"

PG_FUNCTION_INFO_V1(journey_orch_emit);

Jsonb *
jo_empty_payload(void)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* What must be the same when a key is used again. */
void
jo_event_body(const JoEvent *event, StringInfo body)
{
	initStringInfo(body);
	appendStringInfo(body, "%zu:%s", strlen(event->customer_id),
					 event->customer_id);
	if (event->has_occurred_at)
		appendStringInfo(body, "@" INT64_FORMAT, event->occurred_at);
	appendStringInfoChar(body, ' ');
	(void) JsonbToCString(body, &event->payload->root,
						  VARSIZE(event->payload));
}

static char *
text_argument(FunctionCallInfo fcinfo, int i, const char *name)
{
	if (PG_ARGISNULL(i))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/* Raise when "fault" says why the value of an argument is refused. */
static void
refuse(const char *argument, const char *value, const char *fault)
{
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" cannot be \"%s\"", argument,
						jo_clipped(value)),
				 errdetail("%s", fault)));
}

/* SQL: journey_orch.emit(event, customer, payload, occurred_at, idempotency_key) */
Datum
journey_orch_emit(PG_FUNCTION_ARGS)
{
	JoEvent		event = {0};
	char	   *key = NULL;

	PreventCommandIfReadOnly("journey_orch.emit()");

	event.kind = JO_EVENT_KIND_EVENT;
	event.name = text_argument(fcinfo, 0, "event");
	refuse("event", event.name, jo_event_name_fault(event.name));
	event.customer_id = text_argument(fcinfo, 1, "customer");
	refuse("customer", event.customer_id,
		   jo_customer_fault(event.customer_id));

	event.payload = PG_ARGISNULL(2) ? jo_empty_payload() :
		PG_GETARG_JSONB_P(2);
	if (!JB_ROOT_IS_OBJECT(event.payload))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON object", "payload")));

	event.has_occurred_at = !PG_ARGISNULL(3);
	if (event.has_occurred_at)
		event.occurred_at = PG_GETARG_TIMESTAMPTZ(3);

	if (!PG_ARGISNULL(4))
	{
		key = text_to_cstring(PG_GETARG_TEXT_PP(4));
		refuse("idempotency_key", key, jo_key_fault(key));
	}

	if (key != NULL)
	{
		StringInfoData body;

		jo_event_body(&event, &body);
		event.seq = jo_event_ticket(1);
		if (!jo_idempotency_claim(event.name, key, &body, &event.seq))
			PG_RETURN_INT64(event.seq);
	}
	jo_event_append(&event, 1);

	PG_RETURN_INT64(event.seq);
}
