/*
 * permission/token_sql.c
 *	  SQL's doors to tokens, keys, and what else the functions of this room
 *	  need of C.
 *
 * The functions with an underscore are for the extension's own SQL functions,
 * which run as its owner; nobody else may call them.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "audience/audience.h"
#include "capture/capture.h"
#include "core/clock.h"
#include "core/definition.h"
#include "core/key.h"
#include "core/lane.h"
#include "permission/token.h"

PG_FUNCTION_INFO_V1(journey_orch_token_make);
PG_FUNCTION_INFO_V1(journey_orch_token_read);
PG_FUNCTION_INFO_V1(journey_orch_rotate_token_key);
PG_FUNCTION_INFO_V1(journey_orch_consent_event);
PG_FUNCTION_INFO_V1(journey_orch_consent_lock);
PG_FUNCTION_INFO_V1(journey_orch_customer_zone);
PG_FUNCTION_INFO_V1(journey_orch_rule_changed);

/*
 * Customers share this many locks, so that a statement that records the consent
 * of a million of them does not fill the lock table.
 */
#define CONSENT_LOCKS 1024

static char *
optional_text(FunctionCallInfo fcinfo, int argument)
{
	return PG_ARGISNULL(argument) ? NULL :
		text_to_cstring(PG_GETARG_TEXT_PP(argument));
}

/*
 * SQL: _token_make(purpose, customer, channel, topic, expires, reference).
 * The text of a day is the same for the whole day when "expires" is NULL: then
 * it is JO_TOKEN_DAYS after the day's end.
 */
Datum
journey_orch_token_make(PG_FUNCTION_ARGS)
{
	JoToken		token = {0};

	token.purpose = PG_GETARG_INT32(0);
	token.customer_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
	token.channel = optional_text(fcinfo, 2);
	token.topic = optional_text(fcinfo, 3);
	token.expires = PG_ARGISNULL(4) ? jo_token_expiry(jo_clock_now()) :
		PG_GETARG_TIMESTAMPTZ(4);
	token.reference = PG_GETARG_INT64(5);
	PG_RETURN_TEXT_P(cstring_to_text(jo_token_make_from(&token)));
}

/*
 * SQL: _token_read(token, purpose, other) → (purpose, customer, channel, topic,
 * expires, reference); raises JO009.
 */
Datum
journey_orch_token_read(PG_FUNCTION_ARGS)
{
	JoToken		token;
	TupleDesc	descriptor;
	Datum		values[6];
	bool		isnull[6] = {false};

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "token")));
	jo_token_get(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT32(1),
				 PG_GETARG_INT32(2), &token);
	if (get_call_result_type(fcinfo, NULL, &descriptor) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	values[0] = Int32GetDatum(token.purpose);
	values[1] = CStringGetTextDatum(token.customer_id);
	isnull[2] = token.channel == NULL;
	values[2] = isnull[2] ? (Datum) 0 : CStringGetTextDatum(token.channel);
	isnull[3] = token.topic == NULL;
	values[3] = isnull[3] ? (Datum) 0 : CStringGetTextDatum(token.topic);
	values[4] = TimestampTzGetDatum(token.expires);
	values[5] = Int64GetDatum(token.reference);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(descriptor),
													  values, isnull)));
}

/* SQL: rotate_token_key(revoke_older) → the new key's id */
Datum
journey_orch_rotate_token_key(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" of %s() must not be null",
						"revoke_older", "rotate_token_key")));
	PreventCommandIfReadOnly("journey_orch.rotate_token_key()");
	PG_RETURN_INT32(jo_key_rotate(PG_GETARG_BOOL(0)));
}

/* SQL: _consent_event(event, customer, payload) */
Datum
journey_orch_consent_event(PG_FUNCTION_ARGS)
{
	JoEvent		event = {0};

	event.kind = JO_EVENT_KIND_EVENT;
	event.name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	event.customer_id = text_to_cstring(PG_GETARG_TEXT_PP(1));
	event.payload = PG_GETARG_JSONB_P(2);
	jo_event_append(&event, 1);
	PG_RETURN_INT64(event.seq);
}

/*
 * SQL: _consent_lock(customer): what is said of a customer is said one after the
 * other, so that the newest row is the one that was committed last.
 */
Datum
journey_orch_consent_lock(PG_FUNCTION_ARGS)
{
	text	   *customer = PG_GETARG_TEXT_PP(0);
	uint64		hash = jo_lane_hash(VARDATA_ANY(customer),
									VARSIZE_ANY_EXHDR(customer));

	jo_lock(JO_LOCK_NAME,
			jo_lock_key(psprintf("consent %d", (int) (hash % CONSENT_LOCKS))));
	PG_RETURN_VOID();
}

/* SQL: _customer_zone(customer): his time zone, or NULL. */
Datum
journey_orch_customer_zone(PG_FUNCTION_ARGS)
{
	JoCustomer	customer = {0};

	customer.customer_id = text_to_cstring(PG_GETARG_TEXT_PP(0));
	jo_customer_load(&customer, 1, NULL);
	if (customer.timezone == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(customer.timezone));
}

/* SQL: _rule_changed(relation): a table that caches are read from. */
Datum
journey_orch_rule_changed(PG_FUNCTION_ARGS)
{
	jo_definition_changed(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	PG_RETURN_VOID();
}
