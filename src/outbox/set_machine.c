/*
 * outbox/set_machine.c
 *	  set_machine_agent(): a rule by which opens and clicks of machines are
 *	  known, or the end of one.
 */
#include "postgres.h"

#include "catalog/pg_collation_d.h"
#include "catalog/pg_type_d.h"
#include "executor/spi.h"
#include "regex/regex.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/definition.h"
#include "core/errors.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "outbox/reporting.h"

PG_FUNCTION_INFO_V1(journey_orch_set_machine_agent);

enum
{
	ARG_AGENT,
	ARG_USER_AGENT,
	ARG_NETWORK,
	ARG_WITHIN,
	ARG_LINKS,
	ARG_STATUSES,
	ARG_IS_MACHINE,
	ARG_IS_ACTIVE,
	ARG_SOURCE,
	ARG_CHECKED_ON,
	ARGUMENTS
};

#define NAME_BYTES 63
#define PATTERN_BYTES 1000

/* A rule is about reports at one message in so little time. */
#define WITHIN_MAX_DAYS 1

static void
refuse(const char *fault, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", fault),
			 hint != NULL ? errhint("%s", hint) : 0));
}

static void
ensure_name(const char *agent)
{
	if (agent[0] == '\0' || strlen(agent) > NAME_BYTES ||
		strspn(agent, "abcdefghijklmnopqrstuvwxyz0123456789_") !=
		strlen(agent))
		refuse(psprintf("agent \"%s\" is no name", jo_clipped(agent)),
			   "Use at most 63 lower-case letters, digits and underscores.");
	if (strcmp(agent, "provider") == 0)
		refuse("agent \"provider\" is what providers say themselves",
			   "Choose another name.");
}

/* Raises 2201B for what is no regular expression. */
static void
ensure_pattern(text *pattern)
{
	if (VARSIZE_ANY_EXHDR(pattern) == 0 ||
		VARSIZE_ANY_EXHDR(pattern) > PATTERN_BYTES)
		refuse(psprintf("user_agent must have 1 to %d bytes", PATTERN_BYTES),
			   NULL);
	(void) RE_compile_and_execute(pattern, "", 0,
								  REG_ADVANCED | REG_ICASE | REG_NOSUB,
								  C_COLLATION_OID, 0, NULL);
}

static void
ensure_within(Interval *within)
{
	Interval	zero = {0};
	Interval	longest = {.day = WITHIN_MAX_DAYS};
	Datum		given = IntervalPGetDatum(within);

	if (DatumGetBool(DirectFunctionCall2(interval_lt, given,
										 IntervalPGetDatum(&zero))) ||
		DatumGetBool(DirectFunctionCall2(interval_gt, given,
										 IntervalPGetDatum(&longest))))
		refuse("within must be between zero and one day", NULL);
}

static void
ensure_statuses(ArrayType *array)
{
	Datum	   *elements;
	bool	   *isnull;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements,
					  &isnull, &n);
	if (n == 0)
		refuse("statuses must not be empty", NULL);
	for (int i = 0; i < n; i++)
	{
		char	   *status;

		if (isnull[i])
			jo_relay_null_element("statuses", i + 1);
		status = TextDatumGetCString(elements[i]);
		if (!jo_report_is_status(status))
			refuse(psprintf("status \"%s\" cannot be reported",
							jo_clipped(status)),
				   "Nearly always it is opened or clicked.");
	}
}

/* Does the rule look at anything?  Without, it is none. */
static bool
has_criteria(FunctionCallInfo fcinfo)
{
	return !PG_ARGISNULL(ARG_USER_AGENT) || !PG_ARGISNULL(ARG_NETWORK) ||
		!PG_ARGISNULL(ARG_WITHIN) || !PG_ARGISNULL(ARG_LINKS);
}

static void
ensure_arguments(FunctionCallInfo fcinfo)
{
	static const struct
	{
		int			argument;
		const char *name;
	}			required[] = {
		{ARG_AGENT, "agent"}, {ARG_STATUSES, "statuses"},
		{ARG_IS_MACHINE, "is_machine"}, {ARG_IS_ACTIVE, "is_active"}
	};

	for (int i = 0; i < lengthof(required); i++)
		if (PG_ARGISNULL(required[i].argument))
			jo_relay_null("set_machine_agent", required[i].name);
	ensure_name(text_to_cstring(PG_GETARG_TEXT_PP(ARG_AGENT)));
	ensure_statuses(PG_GETARG_ARRAYTYPE_P(ARG_STATUSES));
	if (!PG_ARGISNULL(ARG_USER_AGENT))
		ensure_pattern(PG_GETARG_TEXT_PP(ARG_USER_AGENT));
	if (!PG_ARGISNULL(ARG_WITHIN))
		ensure_within(PG_GETARG_INTERVAL_P(ARG_WITHIN));
	if (!PG_ARGISNULL(ARG_LINKS) && PG_GETARG_INT32(ARG_LINKS) < 2)
		refuse("links must be at least 2",
			   "A person clicks one link at a time.");
	if (!PG_ARGISNULL(ARG_LINKS) && PG_ARGISNULL(ARG_WITHIN))
		refuse("links needs within", "Say how close together they are.");
	if (has_criteria(fcinfo) && PG_ARGISNULL(ARG_SOURCE))
		refuse("a rule about machines needs a source",
			   "Say where it is from, such as an address of the vendor.");
	if (has_criteria(fcinfo) && !PG_GETARG_BOOL(ARG_IS_ACTIVE))
		refuse("a rule that is not active looks at nothing",
			   "Leave out what it would look at.");
}

#define FORGET_RULE \
	"DELETE FROM journey_orch.machine_rule WHERE agent = $1"

#define STORE_RULE \
	"INSERT INTO journey_orch.machine_rule AS r (agent, user_agent, network," \
	" within, links, statuses, is_machine, is_active, source, checked_on," \
	" changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10," \
	" pg_catalog.clock_timestamp())" \
	" ON CONFLICT (agent) DO UPDATE SET user_agent = excluded.user_agent," \
	" network = excluded.network, within = excluded.within," \
	" links = excluded.links, statuses = excluded.statuses," \
	" is_machine = excluded.is_machine, is_active = excluded.is_active," \
	" source = excluded.source, checked_on = excluded.checked_on," \
	" changed_at = excluded.changed_at" \
	" WHERE (r.user_agent, r.network, r.within, r.links, r.statuses," \
	" r.is_machine, r.is_active, r.source, r.checked_on) IS DISTINCT FROM" \
	" (excluded.user_agent, excluded.network, excluded.within," \
	" excluded.links, excluded.statuses, excluded.is_machine," \
	" excluded.is_active, excluded.source, excluded.checked_on)" \
	" RETURNING r.xmax = 0"

/* Is there a rule of this name, shipped or not? */
#define KNOWS_RULE \
	"SELECT FROM journey_orch.machine_agent WHERE agent = $1"

static uint64
execute(FunctionCallInfo fcinfo, const char *statement, int nargs)
{
	static Oid	types[ARGUMENTS] = {TEXTOID, TEXTOID, CIDROID, INTERVALOID,
	INT4OID, TEXTARRAYOID, BOOLOID, BOOLOID, TEXTOID, DATEOID};
	Datum		values[ARGUMENTS];
	char		nulls[ARGUMENTS + 1] = {0};

	for (int i = 0; i < nargs; i++)
	{
		nulls[i] = PG_ARGISNULL(i) ? 'n' : ' ';
		values[i] = PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i);
	}
	if (SPI_execute_with_args(statement, nargs, types, values, nulls, false,
							  0) < 0)
		elog(ERROR, "could not write a rule about machines");
	return SPI_processed;
}

/* The first column of the only row. */
static bool
is_new(void)
{
	bool		isnull;

	return DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
									  SPI_tuptable->tupdesc, 1, &isnull));
}

/* set_machine_agent(...) → created, replaced, removed or unchanged */
Datum
journey_orch_set_machine_agent(PG_FUNCTION_ARGS)
{
	bool		removes;
	bool		is_known;
	const char *outcome = "unchanged";
	JoRunAs		saved;

	ensure_arguments(fcinfo);
	/* nothing to look at, and active: as it was shipped, or not at all */
	removes = !has_criteria(fcinfo) && PG_GETARG_BOOL(ARG_IS_ACTIVE);
	jo_leaf_ensure();
	jo_run_as_extension(&saved);
	SPI_connect();
	is_known = execute(fcinfo, KNOWS_RULE, 1) > 0;
	if (removes && execute(fcinfo, FORGET_RULE, 1) > 0)
		outcome = "removed";
	else if (!removes && execute(fcinfo, STORE_RULE, ARGUMENTS) > 0)
		outcome = is_new() && !is_known ? "created" : "replaced";
	SPI_finish();
	jo_run_as_end(&saved);
	if (!is_known && !has_criteria(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("machine agent \"%s\" does not exist",
						text_to_cstring(PG_GETARG_TEXT_PP(ARG_AGENT))),
				 errhint("Say how it is known: user_agent, network, within or links.")));
	if (strcmp(outcome, "unchanged") != 0)
		jo_definition_changed("machine_rule");
	PG_RETURN_TEXT_P(cstring_to_text(outcome));
}
