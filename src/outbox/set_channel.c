/*
 * outbox/set_channel.c
 *	  set_channel(): declares a channel.
 *
 * It checks everything before it writes anything.  Writers take the name's
 * lock, so that two operators who declare one channel at once are one after
 * the other.
 */
#include "postgres.h"

#include "catalog/pg_type_d.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "audience/audience.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/expression.h"
#include "core/leaf.h"
#include "outbox/internal.h"

PG_FUNCTION_INFO_V1(journey_orch_set_channel);

/* "journey_orch." and the name must fit into the name of a notification. */
#define MAX_NAME (NAMEDATALEN - 1 - 13)

/* What one message may cost, in the unit of its currency. */
#define MAX_UNIT_COST 1000000

/* Messages a second: less than one a day, more than any database hands out. */
#define MIN_RATE 0.00001
#define MAX_RATE 1000000

#define MAX_DISPOSITIONS 100
#define DISPOSITION_BYTES 200

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
	ARG_RETRY_AFTER,
	ARG_RETRY_MAX,
	ARG_EXPIRES_AFTER,
	ARG_SIZE_LIMIT,
	ARG_CONSENT,
	ARG_DISPOSITIONS,
	ARG_OPT_OUT
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

/* The words as a sentence says them. */
static char *
list_words(const char *const *words, int n)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < n; i++)
		appendStringInfo(&list, "%s\"%s\"",
						 i == 0 ? "" : i == n - 1 ? " or " : ", ", words[i]);
	return list.data;
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
			 errhint("Use %s.", list_words(words, n))));
}

/* True for a number from 0 to "most"; NaN and the infinities are not. */
static bool
is_within(Datum number, int64 most)
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
	if (!PG_ARGISNULL(ARG_RATE) &&
		(!is_within(PG_GETARG_DATUM(ARG_RATE), MAX_RATE) ||
		 jo_channel_rate(PG_GETARG_DATUM(ARG_RATE)) < MIN_RATE))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rate must be between 0.00001 and %d", MAX_RATE),
				 errhint("It is a number of messages a second; 0.1 is one in ten seconds.")));
	if (!PG_ARGISNULL(ARG_SEND_WINDOW))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the send window of a channel is not supported yet"),
				 errhint("Declare the other hours by journey_orch.set_quiet_hours() with the channel in its scope.")));
	if (PG_ARGISNULL(ARG_UNIT_COST) != PG_ARGISNULL(ARG_CURRENCY))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unit_cost and currency go together")));
	if (!PG_ARGISNULL(ARG_UNIT_COST))
	{
		char	   *currency = text_to_cstring(PG_GETARG_TEXT_PP(ARG_CURRENCY));

		if (!is_within(PG_GETARG_DATUM(ARG_UNIT_COST), MAX_UNIT_COST))
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

static bool
is_longer(const Interval *left, const Interval *right)
{
	return DatumGetBool(DirectFunctionCall2(interval_gt,
											IntervalPGetDatum(left),
											IntervalPGetDatum(right)));
}

/* max_attempts, retry_after and retry_max. */
static void
ensure_retries(int max_attempts, Interval *retry_after, Interval *retry_max)
{
	Interval	zero = {0};
	Interval	longest_first = {.day = 1};
	Interval	longest = {.day = 30};

	if (max_attempts < 1 || max_attempts > 100)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_attempts must be between 1 and 100, not %d",
						max_attempts)));
	if (!is_longer(retry_after, &zero) || is_longer(retry_after, &longest_first))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retry_after must be longer than zero and at most one day")));
	if (is_longer(retry_after, retry_max) || is_longer(retry_max, &longest))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("retry_max must be at least retry_after and at most 30 days")));
}

/* expires_after and size_limit: what a message must be like. */
static void
ensure_limits(FunctionCallInfo fcinfo)
{
	Interval	zero = {0};
	Interval	longest = {.month = 120};

	if (!PG_ARGISNULL(ARG_EXPIRES_AFTER) &&
		(!is_longer(PG_GETARG_INTERVAL_P(ARG_EXPIRES_AFTER), &zero) ||
		 is_longer(PG_GETARG_INTERVAL_P(ARG_EXPIRES_AFTER), &longest)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("expires_after must be longer than zero and at most ten years")));
	if (!PG_ARGISNULL(ARG_SIZE_LIMIT) && PG_GETARG_INT32(ARG_SIZE_LIMIT) < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("size_limit must be at least 1, not %d",
						PG_GETARG_INT32(ARG_SIZE_LIMIT)),
				 errhint("It is a number of bytes; leave it out for no limit.")));
}

/* A channel of tasks, and no other, says how they may end. */
static void
ensure_dispositions(FunctionCallInfo fcinfo, const char *kind)
{
	Datum	   *elements;
	bool	   *isnull;
	int			n = 0;

	if (!PG_ARGISNULL(ARG_DISPOSITIONS))
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(ARG_DISPOSITIONS), TEXTOID, -1,
						  false, TYPALIGN_INT, &elements, &isnull, &n);
	if ((strcmp(kind, "task") == 0) != (n > 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 n > 0 ? errmsg("a channel of kind \"%s\" has no dispositions",
								kind) :
				 errmsg("a channel of kind \"task\" needs dispositions"),
				 errhint("dispositions are the words that complete_task() may be given.")));
	if (n > MAX_DISPOSITIONS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a channel may have at most %d dispositions",
						MAX_DISPOSITIONS)));
	for (int i = 0; i < n; i++)
	{
		Size		bytes;

		if (isnull[i])
			jo_relay_null_element("dispositions", i + 1);
		bytes = VARSIZE_ANY_EXHDR(DatumGetPointer(elements[i]));
		if (bytes == 0 || bytes > DISPOSITION_BYTES)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("element %d of \"%s\" must have 1 to %d bytes",
							i + 1, "dispositions", DISPOSITION_BYTES)));
	}
}

/* kind and drain. */
static void
ensure_kind(const char *kind, const char *drain)
{
	static const char *const kinds[] = {"push", "inbox", "audience", "task"};
	static const char *const drains[] = {"claim", "stream"};

	ensure_word("kind", kind, kinds, lengthof(kinds));
	ensure_word("drain", drain, drains, lengthof(drains));
	if (strcmp(drain, "stream") == 0 && strcmp(kind, "push") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a channel of kind \"%s\" cannot be drained as a stream",
						kind)));
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
	static const char *const consents[] = {"topic", "opt_in", "none"};
	static const char *const opt_outs[] = {"none", "link", "stop"};
	static const struct
	{
		int			argument;
		const char *name;
	}			required[] = {
		{ARG_CHANNEL, "channel"}, {ARG_ADDRESS_SQL, "address_sql"},
		{ARG_KIND, "kind"}, {ARG_DRAIN, "drain"},
		{ARG_MAX_ATTEMPTS, "max_attempts"}, {ARG_RETRY_AFTER, "retry_after"},
		{ARG_RETRY_MAX, "retry_max"}, {ARG_CONSENT, "consent"},
		{ARG_OPT_OUT, "opt_out"},
	};
	char	   *kind;

	for (int i = 0; i < lengthof(required); i++)
		if (PG_ARGISNULL(required[i].argument))
			jo_relay_null("set_channel", required[i].name);
	ensure_name(text_to_cstring(PG_GETARG_TEXT_PP(ARG_CHANNEL)));
	kind = text_to_cstring(PG_GETARG_TEXT_PP(ARG_KIND));
	ensure_kind(kind, text_to_cstring(PG_GETARG_TEXT_PP(ARG_DRAIN)));
	ensure_numbers(fcinfo);
	ensure_retries(PG_GETARG_INT32(ARG_MAX_ATTEMPTS),
				   PG_GETARG_INTERVAL_P(ARG_RETRY_AFTER),
				   PG_GETARG_INTERVAL_P(ARG_RETRY_MAX));
	ensure_limits(fcinfo);
	ensure_word("consent", text_to_cstring(PG_GETARG_TEXT_PP(ARG_CONSENT)),
				consents, lengthof(consents));
	ensure_word("opt_out", text_to_cstring(PG_GETARG_TEXT_PP(ARG_OPT_OUT)),
				opt_outs, lengthof(opt_outs));
	ensure_dispositions(fcinfo, kind);
	ensure_address(text_to_cstring(PG_GETARG_TEXT_PP(ARG_ADDRESS_SQL)));
}

/* The columns that the arguments give, in the order of stored[] below. */
#define COLUMNS \
	"kind, drain, address_sql, owner, rate, unit_cost, currency, max_attempts," \
	" retry_after, retry_max, expires_after, size_limit, consent, dispositions," \
	" opt_out"
#define EXCLUDED \
	"excluded.kind, excluded.drain, excluded.address_sql, excluded.owner," \
	" excluded.rate, excluded.unit_cost, excluded.currency," \
	" excluded.max_attempts, excluded.retry_after, excluded.retry_max," \
	" excluded.expires_after, excluded.size_limit, excluded.consent," \
	" excluded.dispositions, excluded.opt_out"
#define PRESENT \
	"c.kind, c.drain, c.address_sql, c.owner, c.rate, c.unit_cost, c.currency," \
	" c.max_attempts, c.retry_after, c.retry_max, c.expires_after, c.size_limit," \
	" c.consent, c.dispositions, c.opt_out"
#define STORE_CHANNEL \
	"INSERT INTO journey_orch.channel AS c (channel, " COLUMNS ", changed_at)" \
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16," \
	" pg_catalog.clock_timestamp())" \
	" ON CONFLICT (channel) DO UPDATE SET (" COLUMNS ", changed_at)" \
	" = (" EXCLUDED ", excluded.changed_at)" \
	" WHERE (" PRESENT ") IS DISTINCT FROM (" EXCLUDED ")" \
	" RETURNING c.xmax = 0"

/* set_channel(channel, address_sql, kind, drain, rate, send_window, unit_cost,
 * currency, max_attempts, retry_after, retry_max, expires_after, size_limit,
 * consent, dispositions, opt_out) */
Datum
journey_orch_set_channel(PG_FUNCTION_ARGS)
{
	static const struct
	{
		int			argument;	/* -1: the owner */
		Oid			type;
	}			stored[] = {
		{ARG_CHANNEL, TEXTOID}, {ARG_KIND, TEXTOID}, {ARG_DRAIN, TEXTOID},
		{ARG_ADDRESS_SQL, TEXTOID}, {-1, REGROLEOID}, {ARG_RATE, NUMERICOID},
		{ARG_UNIT_COST, NUMERICOID}, {ARG_CURRENCY, TEXTOID},
		{ARG_MAX_ATTEMPTS, INT4OID}, {ARG_RETRY_AFTER, INTERVALOID},
		{ARG_RETRY_MAX, INTERVALOID}, {ARG_EXPIRES_AFTER, INTERVALOID},
		{ARG_SIZE_LIMIT, INT4OID}, {ARG_CONSENT, TEXTOID},
		{ARG_DISPOSITIONS, TEXTARRAYOID}, {ARG_OPT_OUT, TEXTOID},
	};
	Oid			types[lengthof(stored)];
	Datum		values[lengthof(stored)];
	char		nulls[lengthof(stored) + 1] = {0};
	char	   *name;
	Datum		is_new;

	ensure_set_channel_arguments(fcinfo);
	name = text_to_cstring(PG_GETARG_TEXT_PP(ARG_CHANNEL));
	jo_leaf_ensure();
	jo_lock(JO_LOCK_NAME, jo_lock_key(psprintf("channel %s", name)));
	for (int i = 0; i < lengthof(stored); i++)
	{
		int			argument = stored[i].argument;

		types[i] = stored[i].type;
		nulls[i] = argument >= 0 && PG_ARGISNULL(argument) ? 'n' : ' ';
		if (argument < 0)
			values[i] = ObjectIdGetDatum(GetUserId());
		else
			values[i] = PG_ARGISNULL(argument) ? (Datum) 0 :
				PG_GETARG_DATUM(argument);
	}
	if (jo_channel_write(STORE_CHANNEL, lengthof(stored), types, values, nulls,
						 &is_new))
	{
		jo_definition_changed("channel");
		if (!DatumGetBool(is_new))
			ereport(NOTICE,
					(errmsg("channel \"%s\" was replaced", name)));
	}
	PG_RETURN_VOID();
}
