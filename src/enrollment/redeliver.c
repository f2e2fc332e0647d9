/*
 * enrollment/redeliver.c
 *	  SQL functions redeliver(), redeliver_many() and discard(): an operator
 *	  decides about dead letters.
 *
 * Each decision is a command (dead_letter.c), remembered with the session user
 * who gave it.  What can be told at once is refused here; what changes between
 * the call and the lane, command_status() tells.
 *
 * A filter is the caller's own SQL: it runs with his rights, over what he may
 * read.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

#include "core/clock.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "enrollment/batch.h"
#include "enrollment/command.h"
#include "enrollment/json.h"

PG_FUNCTION_INFO_V1(journey_orch_redeliver);
PG_FUNCTION_INFO_V1(journey_orch_redeliver_many);
PG_FUNCTION_INFO_V1(journey_orch_discard);

#define NOTE_BYTES 10000

typedef struct Letter
{
	pg_uuid_t	id;
	char	   *id_text;
	char	   *customer;		/* NULL: there is no such message */
	char	   *state;
	pg_uuid_t	enrollment_id;
	TimestampTz expires_at;		/* JO_NO_TIME: never */
} Letter;

#define FIND_LETTER \
	"SELECT m.customer_id, m.state, m.enrollment_id, m.expires_at" \
	" FROM journey_orch.message AS m WHERE m.message_id = $1"

static char *
copied_text(Datum datum)
{
	char	   *value = TextDatumGetCString(datum);
	char	   *copy = SPI_palloc(strlen(value) + 1);

	return strcpy(copy, value);
}

/* Look up the message by its id. */
static void
find_letter(Letter *letter)
{
	Oid			types[] = {UUIDOID};
	Datum		values[1];
	JoRunAs		saved;

	letter->id_text = DatumGetCString(DirectFunctionCall1(uuid_out,
														  UUIDPGetDatum(&letter->id)));
	values[0] = UUIDPGetDatum(&letter->id);
	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args(FIND_LETTER, 1, types, values, NULL, true,
							  1) != SPI_OK_SELECT)
		elog(ERROR, "could not look for a message");
	if (SPI_processed > 0)
	{
		HeapTuple	row = SPI_tuptable->vals[0];
		TupleDesc	descriptor = SPI_tuptable->tupdesc;
		bool		isnull;
		Datum		expires_at;

		letter->customer = copied_text(SPI_getbinval(row, descriptor, 1,
													 &isnull));
		letter->state = copied_text(SPI_getbinval(row, descriptor, 2,
												  &isnull));
		letter->enrollment_id = *DatumGetUUIDP(SPI_getbinval(row, descriptor,
															 3, &isnull));
		expires_at = SPI_getbinval(row, descriptor, 4, &isnull);
		letter->expires_at = isnull ? JO_NO_TIME :
			DatumGetTimestampTz(expires_at);
	}
	SPI_finish();
	jo_run_as_end(&saved);
}

/* Raise unless it is a dead letter. */
static void
ensure_dead(const Letter *letter)
{
	if (letter->customer == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("message \"%s\" is no dead letter", letter->id_text),
				 errhint("View journey_orch.dead_letter lists those that are.")));
	if (!jo_streq(letter->state, "dead"))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("message \"%s\" is no dead letter", letter->id_text),
				 errdetail("Its state is \"%s\".", letter->state)));
}

/* The rule by which it will not be sent again, as far as can be told now. */
static const char *
refusal(const Letter *letter)
{
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool		is_withdrawn;

	is_withdrawn = jo_withdrawal_exists(jo_lane_of(letter->customer,
												   strlen(letter->customer)),
										&letter->enrollment_id, snapshot);
	UnregisterSnapshot(snapshot);
	if (is_withdrawn)
		return "withdrawn";
	if (letter->expires_at != JO_NO_TIME &&
		letter->expires_at <= jo_clock_now())
		return "expired";
	return NULL;
}

/* Give the command; returns its id. */
static int64
decide(const Letter *letter, const char *command, const char *note)
{
	Jsonb	   *payload = jo_json_put_uuid(NULL, "message_id", &letter->id);

	payload = jo_json_put_string(payload, "note", note);
	payload = jo_json_put_string(payload, "actor",
								 GetUserNameFromId(GetSessionUserId(), false));
	return jo_command_append(command, letter->customer, payload, NULL, NULL);
}

static char *
note_argument(FunctionCallInfo fcinfo, int i)
{
	char	   *note = PG_ARGISNULL(i) ? NULL :
	text_to_cstring(PG_GETARG_TEXT_PP(i));

	if (note != NULL && strlen(note) > NOTE_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is longer than %d bytes", "note",
						NOTE_BYTES)));
	return note;
}

/* The message that argument 0 names; raises unless it is a dead letter. */
static void
letter_argument(FunctionCallInfo fcinfo, Letter *letter)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", "message_id")));
	letter->id = *PG_GETARG_UUID_P(0);
	find_letter(letter);
	ensure_dead(letter);
}

/* redeliver(message_id, note) → id of the command */
Datum
journey_orch_redeliver(PG_FUNCTION_ARGS)
{
	Letter		letter = {{{0}}};
	char	   *note;
	const char *rule;

	PreventCommandIfReadOnly("journey_orch.redeliver()");
	letter_argument(fcinfo, &letter);
	note = note_argument(fcinfo, 1);
	rule = refusal(&letter);
	if (rule != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("message \"%s\" cannot be sent again", letter.id_text),
				 jo_streq(rule, "expired") ?
				 errdetail("Its time was over at %s.",
						   timestamptz_to_str(letter.expires_at)) :
				 errdetail("Its run was ended by a goal, an exit rule or an operator."),
				 errhint("Settle it with journey_orch.discard().")));
	PG_RETURN_INT64(decide(&letter, JO_COMMAND_REDELIVER, note));
}

/* discard(message_id, note) → id of the command */
Datum
journey_orch_discard(PG_FUNCTION_ARGS)
{
	Letter		letter = {{{0}}};
	char	   *note;

	PreventCommandIfReadOnly("journey_orch.discard()");
	letter_argument(fcinfo, &letter);
	note = note_argument(fcinfo, 1);
	PG_RETURN_INT64(decide(&letter, JO_COMMAND_DISCARD, note));
}

/* ---- many ---- */

/*
 * The ids of the dead letters that the filter is true of, found with the
 * caller's rights.
 */
static pg_uuid_t *
find_letters(const char *filter, uint64 *n)
{
	MemoryContext caller = CurrentMemoryContext;
	pg_uuid_t  *ids;
	StringInfoData query;

	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT dead_letter.message_id"
						   " FROM journey_orch.dead_letter");
	/* one expression, so that it cannot lead out of the parentheses */
	if (filter != NULL)
		appendStringInfo(&query, " WHERE (\n%s\n)", filter);
	appendStringInfoString(&query, " ORDER BY dead_letter.message_id");
	SPI_connect();
	if (SPI_execute(query.data, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not look for dead letters");
	*n = SPI_processed;
	ids = MemoryContextAlloc(caller, Max(1, *n) * sizeof(pg_uuid_t));
	for (uint64 i = 0; i < *n; i++)
	{
		bool		isnull;

		ids[i] = *DatumGetUUIDP(SPI_getbinval(SPI_tuptable->vals[i],
											  SPI_tuptable->tupdesc, 1,
											  &isnull));
	}
	SPI_finish();
	return ids;
}

/* Decide about one of many, and say so. */
static void
redeliver_one(ReturnSetInfo *result, const pg_uuid_t *id, bool is_preview,
			  const char *note)
{
	Letter		letter = {.id = *id};
	Datum		values[4];
	bool		isnull[4] = {false};
	const char *rule;

	find_letter(&letter);
	if (letter.customer == NULL || !jo_streq(letter.state, "dead"))
		return;					/* the lane was faster */
	rule = refusal(&letter);
	values[0] = UUIDPGetDatum(id);
	values[1] = CStringGetTextDatum(letter.customer);
	isnull[2] = rule == NULL;
	values[2] = rule == NULL ? (Datum) 0 : CStringGetTextDatum(rule);
	isnull[3] = rule != NULL || is_preview;
	values[3] = isnull[3] ? (Datum) 0 :
		Int64GetDatum(decide(&letter, JO_COMMAND_REDELIVER, note));
	tuplestore_putvalues(result->setResult, result->setDesc, values, isnull);
}

/* redeliver_many(filter_sql, preview, note) → (message_id, customer_id, rule,
 * command_id) */
Datum
journey_orch_redeliver_many(PG_FUNCTION_ARGS)
{
	char	   *filter = NULL;
	char	   *note;
	pg_uuid_t  *ids;
	uint64		n;

	if (PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be NULL", "preview")));
	if (!PG_GETARG_BOOL(1))
		PreventCommandIfReadOnly("journey_orch.redeliver_many()");
	note = note_argument(fcinfo, 2);
	if (!PG_ARGISNULL(0))
	{
		filter = text_to_cstring(PG_GETARG_TEXT_PP(0));
		jo_expression_ensure_one(filter);
	}
	InitMaterializedSRF(fcinfo, 0);
	ids = find_letters(filter, &n);
	for (uint64 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		redeliver_one((ReturnSetInfo *) fcinfo->resultinfo, &ids[i],
					  PG_GETARG_BOOL(1), note);
	}
	return (Datum) 0;
}
