/*
 * permission/forget.c
 *	  SQL function forget(): asks for the erasure of a customer.
 *
 * In the caller's transaction: a tombstone, which the claim obeys from the
 * commit on; a certificate, which stays; and a command that wakes the
 * customer's lane.  Everything else is done by the lane (enrollment/erase.c)
 * and by upkeep (operation/code.sql, _erase()).
 *
 * The pseudonym is random, and of the customer's own lane, because a row lies
 * in the leaf of its customer's lane.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "core/clock.h"
#include "core/identity.h"
#include "core/key.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "permission/erasure.h"

PG_FUNCTION_INFO_V1(journey_orch_forget);
PG_FUNCTION_INFO_V1(journey_orch_erasure_hash);

#define PSEUDONYM_BYTES 16

#define ENSURE_NOT_HELD \
	"SELECT reason FROM journey_orch.legal_hold WHERE customer_id = $1"

#define INSERT_CERTIFICATE \
	"INSERT INTO journey_orch.erasure_certificate" \
	" (erasure_id, requested_at, actor, reason, customer_hash)" \
	" VALUES ($2, $3, $4, $5, $6)"

#define INSERT_TOMBSTONE \
	"INSERT INTO journey_orch.tombstone" \
	" (customer_id, pseudonym, erasure_id, xid, instant, recorded_at," \
	"  incarnation, lane)" \
	" VALUES ($1, $7, $2, $8, $9, $3, $10, $11)"

/* The arguments of the statements above. */
enum
{
	ARG_CUSTOMER, ARG_ERASURE_ID, ARG_NOW, ARG_ACTOR, ARG_REASON, ARG_HASH,
	ARG_PSEUDONYM, ARG_XID, ARG_INSTANT, ARG_INCARNATION, ARG_LANE,
	ARGS
};

static Oid	types[ARGS] = {
	TEXTOID, INT8OID, TIMESTAMPTZOID, NAMEOID, TEXTOID, BYTEAOID, TEXTOID,
	XID8OID, TIMESTAMPTZOID, INT4OID, INT2OID
};

static char *
required_text(FunctionCallInfo fcinfo, int i, const char *name)
{
	char	   *value;

	if (PG_ARGISNULL(i))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", name)));
	value = text_to_cstring(PG_GETARG_TEXT_PP(i));
	if (value[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be empty", name)));
	if (strlen(value) > JO_CUSTOMER_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is longer than %d bytes", name,
						JO_CUSTOMER_BYTES)));
	return value;
}

/* HMAC of a customer id, under a key of its own. */
static bytea *
hash_customer(const char *customer)
{
	bytea	   *result = palloc(VARHDRSZ + JO_KEY_BYTES);
	JoKey		key;
	uint8		derived[JO_KEY_BYTES];

	jo_key_newest(JO_KEY_ADDRESS, &key);
	jo_key_derive(key.secret, "erasure", derived);
	SET_VARSIZE(result, VARHDRSZ + JO_KEY_BYTES);
	jo_hmac(derived, customer, strlen(customer), (uint8 *) VARDATA(result));
	return result;
}

/* A random id of the same lane. */
static char *
make_pseudonym(int lane)
{
	uint8		bytes[PSEUDONYM_BYTES];
	char	   *result = palloc(strlen(JO_PSEUDONYM_PREFIX) +
								2 * PSEUDONYM_BYTES + 1);

	do
	{
		char	   *end = result;

		if (!pg_strong_random(bytes, PSEUDONYM_BYTES))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a random pseudonym")));
		end += sprintf(end, "%s", JO_PSEUDONYM_PREFIX);
		for (int i = 0; i < PSEUDONYM_BYTES; i++)
			end += sprintf(end, "%02x", bytes[i]);
	} while (jo_lane_of(result, strlen(result)) != lane);
	return result;
}

static void
execute(const char *sql, int expected, Datum *values)
{
	if (SPI_execute_with_args(sql, ARGS, types, values,
							  NULL, false, 1) != expected)
		elog(ERROR, "could not ask for an erasure: %s", sql);
}

/* Raise 55000 when a law forbids it. */
static void
ensure_not_held(Datum *values)
{
	execute(ENSURE_NOT_HELD, SPI_OK_SELECT, values);
	if (SPI_processed == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the customer must not be erased"),
			 errdetail("There is a legal hold: %s.",
					   SPI_getvalue(SPI_tuptable->vals[0],
									SPI_tuptable->tupdesc, 1)),
			 errhint("See journey_orch.release_customer().")));
}

/* Append the command that wakes the lane, and return its ticket. */
static int64
append_command(char *customer)
{
	JoEvent		event = {0};

	event.kind = JO_EVENT_KIND_COMMAND;
	event.name = pstrdup(JO_COMMAND_FORGET);
	event.customer_id = customer;
	jo_event_append(&event, 1);
	return event.seq;
}

/* forget(customer, reason) returns bigint */
Datum
journey_orch_forget(PG_FUNCTION_ARGS)
{
	char	   *customer;
	char	   *reason;
	Datum		values[ARGS];
	NameData	actor;
	JoRunAs		saved;
	int64		erasure_id;
	int			lane;

	PreventCommandIfReadOnly("journey_orch.forget()");
	customer = required_text(fcinfo, 0, "customer");
	reason = required_text(fcinfo, 1, "reason");
	jo_leaf_ensure();
	lane = jo_lane_of(customer, strlen(customer));
	namestrcpy(&actor, GetUserNameFromId(GetSessionUserId(), false));
	erasure_id = append_command(customer);

	values[ARG_CUSTOMER] = CStringGetTextDatum(customer);
	values[ARG_ERASURE_ID] = Int64GetDatum(erasure_id);
	values[ARG_NOW] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[ARG_ACTOR] = NameGetDatum(&actor);
	values[ARG_REASON] = CStringGetTextDatum(reason);
	values[ARG_HASH] = PointerGetDatum(hash_customer(customer));
	values[ARG_PSEUDONYM] = CStringGetTextDatum(make_pseudonym(lane));
	values[ARG_XID] =
		FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[ARG_INSTANT] = TimestampTzGetDatum(jo_clock_now());
	values[ARG_INCARNATION] = Int32GetDatum(jo_incarnation());
	values[ARG_LANE] = Int16GetDatum(lane);

	jo_run_as_extension(&saved);
	SPI_connect();
	ensure_not_held(values);
	execute(INSERT_CERTIFICATE, SPI_OK_INSERT, values);
	execute(INSERT_TOMBSTONE, SPI_OK_INSERT, values);
	SPI_finish();
	jo_run_as_end(&saved);
	PG_RETURN_INT64(erasure_id);
}

/* erasure_hash(customer) returns bytea */
Datum
journey_orch_erasure_hash(PG_FUNCTION_ARGS)
{
	char	   *customer = required_text(fcinfo, 0, "customer");

	PG_RETURN_BYTEA_P(hash_customer(customer));
}
