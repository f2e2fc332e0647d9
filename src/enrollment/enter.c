/*
 * enrollment/enter.c
 *	  SQL functions enter() and leave(): commands of applications.
 *
 * A command is an event in the caller's transaction; its id is the event's.
 * What becomes of it is decided by its lane (command.c), and command_status()
 * tells.  Only what can be told at once is refused here: names that do not
 * exist, arguments that are no such thing.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/leaf.h"
#include "core/run_as.h"
#include "enrollment/batch.h"
#include "enrollment/json.h"
#include "enrollment/command.h"

#define REMEMBER \
	"INSERT INTO journey_orch.command (command_id, command, actor, recorded_at)" \
	" VALUES ($1, $2, $3, $4)"

PG_FUNCTION_INFO_V1(journey_orch_enter);
PG_FUNCTION_INFO_V1(journey_orch_leave);

/* An argument that must be given, as a string. */
char *
jo_command_text(FunctionCallInfo fcinfo, int i, const char *name)
{
	if (PG_ARGISNULL(i))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", name)));
	return text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/* Raise when the length of an argument's value is refused. */
static void
check_length(const char *name, const char *value)
{
	if (value == NULL)
		return;
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be empty", name)));
	if (strlen(value) > JO_CUSTOMER_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is longer than %d bytes", name,
						JO_CUSTOMER_BYTES)));
}

/* An argument that may be NULL. */
static char *
optional_text(FunctionCallInfo fcinfo, int i, const char *name)
{
	char	   *value = PG_ARGISNULL(i) ? NULL :
	text_to_cstring(PG_GETARG_TEXT_PP(i));

	check_length(name, value);
	return value;
}

/* The journey that argument 0 names; its id. */
static int32
journey_argument(FunctionCallInfo fcinfo, char **name)
{
	int32		journey_id;

	*name = jo_command_text(fcinfo, 0, "journey");
	jo_journey_cache_begin();
	journey_id = jo_journey_id(*name);
	jo_journey_cache_end();
	if (journey_id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("journey \"%s\" does not exist", *name),
				 errhint("View journey_orch.journey_definition lists the journeys.")));
	return journey_id;
}

static char *
customer_argument(FunctionCallInfo fcinfo)
{
	char	   *customer = jo_command_text(fcinfo, 1, "customer");

	check_length("customer", customer);
	return customer;
}

/* Say who gave the command, and that there is one to ask about. */
static void
remember(int64 command_id, const char *command)
{
	Oid			types[] = {INT8OID, TEXTOID, NAMEOID, TIMESTAMPTZOID};
	Datum		values[4];
	NameData	actor;
	JoRunAs		saved;

	namestrcpy(&actor, GetUserNameFromId(GetSessionUserId(), false));
	values[0] = Int64GetDatum(command_id);
	values[1] = CStringGetTextDatum(command);
	values[2] = NameGetDatum(&actor);
	values[3] = TimestampTzGetDatum(GetCurrentTimestamp());
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args(REMEMBER, 4, types, values, NULL, false,
							  0) != SPI_OK_INSERT)
		elog(ERROR, "could not remember a command");
	SPI_finish();
	jo_run_as_end(&saved);
}

/*
 * Append a command ("$" and a word) for a customer and return its id.  With
 * "key" a repeated one returns the first id; "scope" is what keys are unique
 * in.
 */
int64
jo_command_append(const char *name, char *customer, Jsonb *payload,
				  const char *scope, const char *key)
{
	JoEvent		event = {0};

	event.kind = JO_EVENT_KIND_COMMAND;
	event.name = pstrdup(name);
	event.customer_id = customer;
	event.payload = payload;
	jo_leaf_ensure();
	if (key != NULL)
	{
		StringInfoData body;

		initStringInfo(&body);
		appendStringInfo(&body, "%zu:%s ", strlen(customer), customer);
		(void) JsonbToCString(&body, &payload->root, VARSIZE(payload));
		event.seq = jo_event_ticket(1);
		if (!jo_idempotency_claim(scope, key, &body, &event.seq))
			return event.seq;
	}
	jo_event_append(&event, 1);
	remember(event.seq, name + 1);
	return event.seq;
}

/* enter(journey, customer, context, key, idempotency_key) returns bigint */
Datum
journey_orch_enter(PG_FUNCTION_ARGS)
{
	char	   *journey;
	char	   *customer;
	char	   *key;
	char	   *idempotency_key;
	int32		journey_id;
	Jsonb	   *context;
	Jsonb	   *payload;

	PreventCommandIfReadOnly("journey_orch.enter()");
	journey_id = journey_argument(fcinfo, &journey);
	customer = customer_argument(fcinfo);
	context = PG_ARGISNULL(2) ? jo_jsonb_empty() : PG_GETARG_JSONB_P(2);
	if (!JB_ROOT_IS_OBJECT(context))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON object", "context")));
	key = optional_text(fcinfo, 3, "key");
	idempotency_key = optional_text(fcinfo, 4, "idempotency_key");

	payload = jo_json_put_string(NULL, "journey", journey);
	payload = jo_json_put_int(payload, "journey_id", journey_id);
	payload = jo_jsonb_put(payload, "context", context);
	payload = jo_json_put_string(payload, "key", key);
	PG_RETURN_INT64(jo_command_append(JO_COMMAND_ENTER, customer, payload,
									  psprintf(JO_COMMAND_ENTER ":%s", journey),
									  idempotency_key));
}

/* A reason that an author could give to an exit step, or our own. */
static void
check_reason(const char *reason)
{
	bool		is_name = reason[0] >= 'a' && reason[0] <= 'z' &&
	strspn(reason, "abcdefghijklmnopqrstuvwxyz0123456789_") == strlen(reason) &&
	strlen(reason) <= 63;

	if (!is_name)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" cannot be \"%.64s\"", "reason", reason),
				 errhint("A reason is a lower-case letter, then lower-case letters, digits and underscores, at most 63.")));
	if (jo_reason_is_reserved(reason) && !jo_streq(reason, "left"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("exit reason \"%s\" is one that the engine records", reason),
				 errhint("Choose another word.")));
}

/* leave(journey, customer, key, reason) returns bigint */
Datum
journey_orch_leave(PG_FUNCTION_ARGS)
{
	char	   *journey;
	char	   *customer;
	char	   *key;
	char	   *reason;
	int32		journey_id;
	Jsonb	   *payload;

	PreventCommandIfReadOnly("journey_orch.leave()");
	journey_id = journey_argument(fcinfo, &journey);
	customer = customer_argument(fcinfo);
	key = optional_text(fcinfo, 2, "key");
	reason = PG_ARGISNULL(3) ? pstrdup("left") :
		text_to_cstring(PG_GETARG_TEXT_PP(3));
	check_reason(reason);

	payload = jo_json_put_string(NULL, "journey", journey);
	payload = jo_json_put_int(payload, "journey_id", journey_id);
	payload = jo_json_put_string(payload, "key", key);
	payload = jo_json_put_string(payload, "reason", reason);
	PG_RETURN_INT64(jo_command_append(JO_COMMAND_LEAVE, customer, payload,
									  NULL, NULL));
}
