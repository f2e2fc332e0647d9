/*
 * outbox/set_channel.c
 *	  set_channel(), grant_channel(), revoke_channel().
 *
 * Each checks everything before it writes anything.  Writers take the name's
 * lock, so that two operators who declare one channel at once are one after
 * the other.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "audience/audience.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "outbox/internal.h"

PG_FUNCTION_INFO_V1(journey_orch_set_channel);
PG_FUNCTION_INFO_V1(journey_orch_grant_channel);
PG_FUNCTION_INFO_V1(journey_orch_revoke_channel);

/* "journey_orch." and the name must fit into the name of a notification. */
#define MAX_NAME (NAMEDATALEN - 1 - 13)

/* What one message may cost, in the unit of its currency. */
#define MAX_UNIT_COST 1000000

/* Arguments of set_channel(), in order. */
enum
{
	ARG_CHANNEL,
	ARG_ADDRESS_SQL,
	ARG_KIND,
	ARG_DRAIN,
	ARG_RATE,
	ARG_SEND_WINDOW,
	ARG_UNIT_COST,
	ARG_CURRENCY,
	ARG_MAX_ATTEMPTS,
	ARG_RETRY_AFTER
};

static void
ensure_name(const char *name)
{
	bool		is_valid = name[0] >= 'a' && name[0] <= 'z' &&
	strlen(name) <= MAX_NAME;

	for (const char *c = name; *c != '\0' && is_valid; c++)
		is_valid = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') ||
			*c == '_';
	if (!is_valid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" cannot be the name of a channel", jo_clipped(name)),
				 errhint("Begin with a lower-case letter; letters, digits and underscores may follow, %d in all.",
						 MAX_NAME)));
}

/* Raise 22023 unless the word is one of those listed. */
static void
ensure_word(const char *argument, const char *word, const char *const *words,
			int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s \"%s\" is not known", argument, jo_clipped(word)),
			 errhint("Use \"%s\".", words[0])));
}

static void
refuse_unbuilt(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s is not supported yet", what),
			 errhint("Leave it out for now.")));
}

/* True for a number from 0 to "most"; NaN and the infinities are not. */
static bool
is_cost(Datum number, int64 most)
{
	return DatumGetBool(DirectFunctionCall2(numeric_ge, number,
											NumericGetDatum(int64_to_numeric(0)))) &&
		DatumGetBool(DirectFunctionCall2(numeric_le, number,
										 NumericGetDatum(int64_to_numeric(most))));
}

/* The three ways of saying what a message costs and how fast it may go. */
static void
ensure_numbers(FunctionCallInfo fcinfo)
{
	if (!PG_ARGISNULL(ARG_RATE))
	{
		if (!DatumGetBool(DirectFunctionCall2(numeric_gt,
											  PG_GETARG_DATUM(ARG_RATE),
											  NumericGetDatum(int64_to_numeric(0)))))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("rate must be greater than zero")));
		refuse_unbuilt("the rate of a channel");
	}
	if (!PG_ARGISNULL(ARG_SEND_WINDOW))
		refuse_unbuilt("the send window of a channel");
	if (PG_ARGISNULL(ARG_UNIT_COST) != PG_ARGISNULL(ARG_CURRENCY))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unit_cost and currency go together")));
	if (!PG_ARGISNULL(ARG_UNIT_COST))
	{
		char	   *currency = text_to_cstring(PG_GETARG_TEXT_PP(ARG_CURRENCY));

		if (!is_cost(PG_GETARG_DATUM(ARG_UNIT_COST), MAX_UNIT_COST))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("unit_cost must be between 0 and %d",
							MAX_UNIT_COST)));
		if (strlen(currency) != 3 ||
			strspn(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("currency \"%s\" is not a code of three capital letters",
							jo_clipped(currency))));
	}
}

/* max_attempts and retry_after. */
static void
ensure_retries(int max_attempts, Interval *retry_after)
{
	Interval	zero = {0};
	Interval	longest = {.day = 1};
	Datum		first = IntervalPGetDatum(retry_after);

	if (max_attempts < 1 || max_attempts > 100)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_attempts must be between 1 and 100, not %d",
						max_attempts)));
	/* a back-off ends at a day however often it is doubled (message.c) */
	if (!DatumGetBool(DirectFunctionCall2(interval_gt, first,
										  IntervalPGetDatum(&zero))) ||
		!DatumGetBool(DirectFunctionCall2(interval_le, first,
										  IntervalPGetDatum(&longest))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retry_after must be longer than zero and at most one day")));
}

/* Raises JO002 with the position when the address does not compile. */
static void
ensure_address(const char *address_sql)
{
	JoScope		scope = {0};

	scope.customer_type = jo_customer_type();
	scope.variables = JO_USES_CUSTOMER | JO_USES_EVENT | JO_USES_CONTEXT |
		JO_USES_JOURNEY;
	scope.checks_rights = true;
	(void) jo_expression_compile(address_sql, TEXTOID, GetUserId(), &scope,
								 NULL);
}

static void
ensure_set_channel_arguments(FunctionCallInfo fcinfo)
{
	static const char *const kinds[] = {"push", "inbox", "audience", "task"};
	static const char *const drains[] = {"claim", "stream"};
	static const struct
	{
		int			argument;
		const char *name;
	}			required[] = {
		{ARG_CHANNEL, "channel"}, {ARG_ADDRESS_SQL, "address_sql"},
		{ARG_KIND, "kind"}, {ARG_DRAIN, "drain"},
		{ARG_MAX_ATTEMPTS, "max_attempts"}, {ARG_RETRY_AFTER, "retry_after"},
	};
	char	   *kind;

	for (int i = 0; i < lengthof(required); i++)
		if (PG_ARGISNULL(required[i].argument))
			jo_relay_null("set_channel", required[i].name);
	ensure_name(text_to_cstring(PG_GETARG_TEXT_PP(ARG_CHANNEL)));
	kind = text_to_cstring(PG_GETARG_TEXT_PP(ARG_KIND));
	ensure_word("kind", kind, kinds, lengthof(kinds));
	if (strcmp(kind, "push") != 0)
		refuse_unbuilt(psprintf("a channel of kind \"%s\"", kind));
	ensure_word("drain", text_to_cstring(PG_GETARG_TEXT_PP(ARG_DRAIN)), drains,
				lengthof(drains));
	ensure_numbers(fcinfo);
	ensure_retries(PG_GETARG_INT32(ARG_MAX_ATTEMPTS),
				   PG_GETARG_INTERVAL_P(ARG_RETRY_AFTER));
	ensure_address(text_to_cstring(PG_GETARG_TEXT_PP(ARG_ADDRESS_SQL)));
}

#define STORE_CHANNEL \
	"INSERT INTO journey_orch.channel AS c (channel, kind, drain, address_sql," \
	" owner, unit_cost, currency, max_attempts, retry_after, changed_at)" \
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, pg_catalog.clock_timestamp())" \
	" ON CONFLICT (channel) DO UPDATE SET kind = excluded.kind," \
	" drain = excluded.drain, address_sql = excluded.address_sql," \
	" owner = excluded.owner, unit_cost = excluded.unit_cost," \
	" currency = excluded.currency, max_attempts = excluded.max_attempts," \
	" retry_after = excluded.retry_after, changed_at = excluded.changed_at" \
	" WHERE (c.kind, c.drain, c.address_sql, c.owner, c.unit_cost, c.currency," \
	" c.max_attempts, c.retry_after) IS DISTINCT FROM (excluded.kind," \
	" excluded.drain, excluded.address_sql, excluded.owner, excluded.unit_cost," \
	" excluded.currency, excluded.max_attempts, excluded.retry_after)" \
	" RETURNING c.xmax = 0"

/* Run a statement of ours as the extension; true when it touched a row.  The
 * first column of its last row goes to *first, if wanted. */
static bool
execute(const char *statement, int nargs, Oid *types, Datum *values,
		const char *nulls, Datum *first)
{
	JoRunAs		saved;
	bool		touched;
	bool		isnull;

	jo_run_as_extension(&saved);
	SPI_connect();
	if (SPI_execute_with_args(statement, nargs, types, values, nulls, false,
							  0) < 0)
		elog(ERROR, "could not write the tables of room outbox");
	touched = SPI_processed > 0;
	if (touched && first != NULL)
		*first = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
							   &isnull);
	SPI_finish();
	jo_run_as_end(&saved);
	return touched;
}

/* set_channel(channel, address_sql, kind, drain, rate, send_window, unit_cost,
 * currency, max_attempts, retry_after) */
Datum
journey_orch_set_channel(PG_FUNCTION_ARGS)
{
	static const int from[] = {ARG_CHANNEL, ARG_KIND, ARG_DRAIN,
		ARG_ADDRESS_SQL, -1, ARG_UNIT_COST, ARG_CURRENCY, ARG_MAX_ATTEMPTS,
	ARG_RETRY_AFTER};
	Oid			types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, REGROLEOID,
	NUMERICOID, TEXTOID, INT4OID, INTERVALOID};
	Datum		values[lengthof(from)];
	char		nulls[lengthof(from) + 1] = {0};
	char	   *name;
	Datum		is_new;

	ensure_set_channel_arguments(fcinfo);
	name = text_to_cstring(PG_GETARG_TEXT_PP(ARG_CHANNEL));
	jo_leaf_ensure();
	jo_lock(JO_LOCK_NAME, jo_lock_key(psprintf("channel %s", name)));
	for (int i = 0; i < lengthof(from); i++)
	{
		nulls[i] = from[i] >= 0 && PG_ARGISNULL(from[i]) ? 'n' : ' ';
		if (from[i] < 0)
			values[i] = ObjectIdGetDatum(GetUserId());
		else
			values[i] = PG_ARGISNULL(from[i]) ? (Datum) 0 :
				PG_GETARG_DATUM(from[i]);
	}
	if (execute(STORE_CHANNEL, lengthof(from), types, values, nulls, &is_new))
	{
		jo_definition_changed("channel");
		if (!DatumGetBool(is_new))
			ereport(NOTICE,
					(errmsg("channel \"%s\" was replaced", name)));
	}
	PG_RETURN_VOID();
}

/* Arguments of grant_channel() and revoke_channel(). */
static void
ensure_grant_arguments(FunctionCallInfo fcinfo, const char *function)
{
	if (PG_ARGISNULL(0))
		jo_relay_null(function, "channel");
	if (PG_ARGISNULL(1))
		jo_relay_null(function, "role");
	jo_channel_ensure_exists(text_to_cstring(PG_GETARG_TEXT_PP(0)));
}

/* Write or delete a grant; true when something changed. */
static bool
change_grant(FunctionCallInfo fcinfo, const char *statement)
{
	Oid			types[] = {TEXTOID, REGROLEOID};
	Datum		values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};

	if (!execute(statement, 2, types, values, NULL, NULL))
		return false;
	jo_definition_changed("channel_grant");
	return true;
}

/* grant_channel(channel, role) */
Datum
journey_orch_grant_channel(PG_FUNCTION_ARGS)
{
	Oid			role;
	char	   *role_name;
	Oid			relays = get_role_oid("journey_orch_relay", true);

	ensure_grant_arguments(fcinfo, "grant_channel");
	role = PG_GETARG_OID(1);
	role_name = GetUserNameFromId(role, true);
	if (role_name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role with OID %u does not exist", role)));
	(void) change_grant(fcinfo,
						"INSERT INTO journey_orch.channel_grant (channel, role)"
						" VALUES ($1, $2) ON CONFLICT DO NOTHING");
	if (OidIsValid(relays) && !has_privs_of_role(role, relays))
		ereport(NOTICE,
				(errmsg("role \"%s\" is not a member of journey_orch_relay",
						role_name),
				 errdetail("It cannot call journey_orch.claim() yet."),
				 errhint("GRANT journey_orch_relay TO %s.",
						 quote_identifier(role_name))));
	PG_RETURN_VOID();
}

/* revoke_channel(channel, role); a role that is gone may be given by OID */
Datum
journey_orch_revoke_channel(PG_FUNCTION_ARGS)
{
	ensure_grant_arguments(fcinfo, "revoke_channel");
	if (!change_grant(fcinfo,
					  "DELETE FROM journey_orch.channel_grant"
					  " WHERE channel = $1 AND role = $2"))
		ereport(NOTICE,
				(errmsg("the role had no grant on channel \"%s\"",
						text_to_cstring(PG_GETARG_TEXT_PP(0)))));
	PG_RETURN_VOID();
}
