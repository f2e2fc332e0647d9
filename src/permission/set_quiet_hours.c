/*
 * permission/set_quiet_hours.c
 *	  set_quiet_hours(), drop_quiet_hours(), review_rule().
 *
 * A rule that is declared with other content has to be reviewed again.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/jsonb.h"

#include "audience/audience.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "permission/argument.h"
#include "permission/cap.h"
#include "permission/hours.h"

PG_FUNCTION_INFO_V1(journey_orch_set_quiet_hours);
PG_FUNCTION_INFO_V1(journey_orch_drop_quiet_hours);
PG_FUNCTION_INFO_V1(journey_orch_review_rule);

/* Arguments of set_quiet_hours(), in order. */
enum
{
	ARG_NAME,
	ARG_FROM_TIME,
	ARG_TO_TIME,
	ARG_SCOPE,
	ARG_WEEKDAYS,
	ARG_REGION,
	ARG_HOLIDAYS,
	ARG_ACTION,
	ARG_SOURCE,
	ARG_VALID_FROM,
	ARG_VALID_UNTIL
};

static const char *const actions[] = {"defer", "withhold", NULL};

#define RULE_COLUMNS \
	"scope, from_time, to_time, weekdays, holidays, region, action, source," \
	" valid_from, valid_until"

/* Raise unless every element is the English name of a weekday. */
static void
ensure_weekdays(ArrayType *array)
{
	Datum	   *names;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
	{
		bool		is_weekday = false;
		char	   *name = nulls[i] ? "NULL" : TextDatumGetCString(names[i]);

		for (int day = 0; day < 7 && !nulls[i]; day++)
			is_weekday = is_weekday || pg_strcasecmp(days[day], name) == 0;
		if (!is_weekday)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid weekday \"%s\"", jo_clipped(name)),
					 errhint("Weekdays are sunday, monday, tuesday, wednesday, thursday, friday and saturday.")));
	}
}

static bool
is_empty_array(FunctionCallInfo fcinfo, int argument)
{
	ArrayType  *array = PG_GETARG_ARRAYTYPE_P(argument);

	return ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) == 0;
}

/* Raise unless there is an hour and a day on which the rule is quiet. */
static void
ensure_window(FunctionCallInfo fcinfo)
{
	if (PG_GETARG_TIMEADT(ARG_FROM_TIME) == PG_GETARG_TIMEADT(ARG_TO_TIME))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" and \"%s\" are the same", "from_time", "to_time"),
				 errhint("A whole day is from 00:00 to 24:00.")));
	if (!PG_ARGISNULL(ARG_WEEKDAYS))
	{
		ensure_weekdays(PG_GETARG_ARRAYTYPE_P(ARG_WEEKDAYS));
		if (is_empty_array(fcinfo, ARG_WEEKDAYS) &&
			!PG_GETARG_BOOL(ARG_HOLIDAYS))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("the rule has no day"),
					 errhint("Name weekdays, leave them out for every day, or set holidays => true.")));
	}
	if (!PG_ARGISNULL(ARG_VALID_FROM) && !PG_ARGISNULL(ARG_VALID_UNTIL) &&
		PG_GETARG_DATEADT(ARG_VALID_FROM) >= PG_GETARG_DATEADT(ARG_VALID_UNTIL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be before \"%s\"", "valid_from",
						"valid_until")));
}

/* The region in canonical form, or NULL. */
static char *
region_argument(FunctionCallInfo fcinfo)
{
	char	   *region = jo_argument_optional(fcinfo, ARG_REGION);
	char	   *canonical = region ? jo_region_canonical(region) : NULL;

	if (region != NULL && canonical == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid region \"%s\"", jo_clipped(region)),
				 errhint("It is a country or a part of one as ISO 3166-2 writes it, such as US or US-FL.")));
	return canonical;
}

/* Read the arguments as the rule's columns, $1 being the name. */
static void
read_arguments(FunctionCallInfo fcinfo, JoParameters *parameters)
{
	static const char *const names[] = {
		"name", "from_time", "to_time", "scope", NULL, NULL, "holidays",
		"action"
	};
	char	   *action;

	for (int i = 0; i < lengthof(names); i++)
		if (names[i] != NULL)
			jo_argument_ensure(fcinfo, i, "set_quiet_hours", names[i]);
	jo_parameter_text(parameters,
					  jo_argument_text(fcinfo, ARG_NAME, "set_quiet_hours",
									   "name"));
	action = jo_argument_text(fcinfo, ARG_ACTION, "set_quiet_hours", "action");
	jo_argument_one_of("action", action, actions);
	ensure_window(fcinfo);
	jo_parameter(parameters, JSONBOID,
				 JsonbPGetDatum(jo_scope_argument(PG_GETARG_DATUM(ARG_SCOPE))),
				 false);
	jo_parameter(parameters, TIMEOID, PG_GETARG_DATUM(ARG_FROM_TIME), false);
	jo_parameter(parameters, TIMEOID, PG_GETARG_DATUM(ARG_TO_TIME), false);
	jo_parameter(parameters, TEXTARRAYOID, PG_GETARG_DATUM(ARG_WEEKDAYS),
				 PG_ARGISNULL(ARG_WEEKDAYS));
	jo_parameter(parameters, BOOLOID, PG_GETARG_DATUM(ARG_HOLIDAYS), false);
	jo_parameter_text(parameters, region_argument(fcinfo));
	jo_parameter_text(parameters, action);
	jo_parameter_text(parameters, jo_argument_optional(fcinfo, ARG_SOURCE));
	jo_parameter(parameters, DATEOID, PG_GETARG_DATUM(ARG_VALID_FROM),
				 PG_ARGISNULL(ARG_VALID_FROM));
	jo_parameter(parameters, DATEOID, PG_GETARG_DATUM(ARG_VALID_UNTIL),
				 PG_ARGISNULL(ARG_VALID_UNTIL));
}

/* set_quiet_hours(name, from_time, to_time, …) → 'created', 'replaced' or
 * 'unchanged'. */
Datum
journey_orch_set_quiet_hours(PG_FUNCTION_ARGS)
{
	JoParameters parameters = {0};
	const char *outcome = "unchanged";
	JoRunAs		saved;

	read_arguments(fcinfo, &parameters);
	jo_leaf_ensure();
	jo_run_as_extension(&saved);
	SPI_connect();
	if (jo_parameters_execute(&parameters,
							  "INSERT INTO journey_orch.quiet_hours_rule"
							  " (name, " RULE_COLUMNS ", changed_at)"
							  " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, clock_timestamp())"
							  " ON CONFLICT (name) DO NOTHING") > 0)
		outcome = "created";
	else if (jo_parameters_execute(&parameters,
								   "UPDATE journey_orch.quiet_hours_rule"
								   " SET (" RULE_COLUMNS ") = ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11),"
								   " changed_at = clock_timestamp(),"
								   " reviewed_at = NULL, reviewed_by = NULL, review_note = NULL"
								   " WHERE name = $1 AND (" RULE_COLUMNS ")"
								   " IS DISTINCT FROM ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11)") > 0)
		outcome = "replaced";
	SPI_finish();
	jo_run_as_end(&saved);
	if (strcmp(outcome, "unchanged") != 0)
		jo_definition_changed("quiet_hours_rule");
	PG_RETURN_TEXT_P(cstring_to_text(outcome));
}

/* drop_quiet_hours(name) → was there such a rule? */
Datum
journey_orch_drop_quiet_hours(PG_FUNCTION_ARGS)
{
	JoParameters parameters = {0};
	bool		existed;
	JoRunAs		saved;

	jo_parameter_text(&parameters,
					  jo_argument_text(fcinfo, 0, "drop_quiet_hours", "name"));
	jo_leaf_ensure();
	jo_run_as_extension(&saved);
	SPI_connect();
	existed = jo_parameters_execute(&parameters,
									"DELETE FROM journey_orch.quiet_hours_rule"
									" WHERE name = $1") > 0;
	SPI_finish();
	jo_run_as_end(&saved);
	if (existed)
		jo_definition_changed("quiet_hours_rule");
	PG_RETURN_BOOL(existed);
}

List *
jo_rules_unreviewed(const char *channel, const char *topic,
					const char *journey)
{
	List	   *names = NIL;
	ListCell   *cell;

	foreach(cell, jo_hours_begin())
	{
		const JoHours *hours = lfirst(cell);

		if (!hours->is_reviewed &&
			jo_scope_covers(&hours->scope, channel, topic, journey))
			names = lappend(names, pstrdup(hours->name));
	}
	jo_hours_end();
	foreach(cell, jo_caps_begin())
	{
		const JoCap *cap = lfirst(cell);

		if (cap->needs_review &&
			jo_scope_covers(&cap->scope, channel, topic, journey))
			names = lappend(names, pstrdup(cap->name));
	}
	jo_caps_end();
	return names;
}

/* review_rule(name, note): somebody answers for the rule as it stands. */
Datum
journey_orch_review_rule(PG_FUNCTION_ARGS)
{
	JoParameters parameters = {0};
	char	   *name = jo_argument_text(fcinfo, 0, "review_rule", "name");
	uint64		n;
	JoRunAs		saved;

	jo_parameter_text(&parameters, name);
	jo_parameter_text(&parameters, jo_argument_optional(fcinfo, 1));
	jo_parameter_text(&parameters, GetUserNameFromId(GetSessionUserId(), false));
	jo_leaf_ensure();
	jo_run_as_extension(&saved);
	SPI_connect();
	n = jo_parameters_execute(&parameters,
							  "UPDATE journey_orch.quiet_hours_rule"
							  " SET reviewed_at = clock_timestamp(),"
							  " reviewed_by = $3, review_note = $2"
							  " WHERE name = $1");
	n += jo_parameters_execute(&parameters,
							   "UPDATE journey_orch.frequency_cap"
							   " SET reviewed_at = clock_timestamp(),"
							   " reviewed_by = $3, review_note = $2"
							   " WHERE name = $1");
	SPI_finish();
	jo_run_as_end(&saved);
	if (n == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("rule \"%s\" does not exist", jo_clipped(name)),
				 errhint("Views quiet_hours and cap show the rules.")));
	jo_definition_changed("quiet_hours_rule");
	jo_definition_changed("frequency_cap");
	PG_RETURN_VOID();
}
