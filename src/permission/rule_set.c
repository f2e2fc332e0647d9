/*
 * permission/rule_set.c
 *	  install_rule_set(): rules that come with the extension, as data.
 *
 * They are seeds: somebody's tables of what laws say, not checked against the
 * laws, and so every one stays unreviewed until somebody who answers for it
 * calls review_rule().  A rule or holiday of the same name that is there
 * already is left as it is.  docs/gates.md lists them for a lawyer.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datetime.h"

#include "core/definition.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "permission/argument.h"
#include "permission/holiday.h"

PG_FUNCTION_INFO_V1(journey_orch_install_rule_set);

/* Marketing by text and call. */
#define TCPA_SCOPE "{\"channel\": [\"sms\", \"call_centre\"], \"class\": \"marketing\"}"
#define FEDERAL_SOURCE \
	"47 CFR 64.1200(c)(1); as read on 2026-11-23"
#define STATE_SOURCE \
	"two vendor tables of state laws, the stricter where they differ;" \
	" as read on 2026-11-23, not checked against the statute"

typedef struct SeedRule
{
	const char *name;
	const char *region;
	const char *from;
	const char *to;
	const char *weekdays;		/* of an array; NULL: every day */
	bool		holidays;
} SeedRule;

static const SeedRule us_tcpa[] = {
	{"us_federal", "US", "21:00", "08:00", NULL, false},
	{"us_al", "US-AL", "20:00", "08:00", NULL, false},
	{"us_al_days_off", "US-AL", "00:00", "24:00", "{sunday}", true},
	{"us_ct", "US-CT", "20:00", "09:00", NULL, false},
	{"us_fl", "US-FL", "20:00", "08:00", NULL, false},
	{"us_ky", "US-KY", "21:00", "10:00", NULL, false},
	{"us_la", "US-LA", "20:00", "08:00", NULL, false},
	{"us_la_days_off", "US-LA", "00:00", "24:00", "{sunday}", true},
	{"us_ma", "US-MA", "20:00", "08:00", NULL, false},
	{"us_md", "US-MD", "20:00", "08:00", NULL, false},
	{"us_mi", "US-MI", "21:00", "09:00", NULL, false},
	{"us_mn", "US-MN", "21:00", "09:00", NULL, false},
	{"us_ms", "US-MS", "20:00", "08:00", NULL, false},
	{"us_ms_sunday", "US-MS", "00:00", "24:00", "{sunday}", false},
	{"us_nj", "US-NJ", "20:00", "08:00", NULL, false},
	{"us_nm", "US-NM", "21:00", "09:00", NULL, false},
	{"us_nv", "US-NV", "20:00", "09:00", NULL, false},
	{"us_ok", "US-OK", "20:00", "08:00", NULL, false},
	{"us_ri", "US-RI", "18:00", "09:00", NULL, false},
	{"us_ri_weekend_evening", "US-RI", "17:00", "24:00", "{saturday,sunday}", false},
	{"us_ri_weekend_morning", "US-RI", "00:00", "10:00", "{saturday,sunday}", false},
	{"us_tx", "US-TX", "21:00", "09:00", NULL, false},
	{"us_tx_sunday", "US-TX", "00:00", "12:00", "{sunday}", false},
};

/* A federal holiday: a day of a month, or the nth (0: last) weekday of it. */
typedef struct SeedHoliday
{
	const char *name;
	int			month;
	int			day;			/* 0: by weekday */
	int			weekday;		/* 0 is Sunday */
	int			nth;
} SeedHoliday;

static const SeedHoliday us_holidays[] = {
	{"New Year's Day", 1, 1, 0, 0},
	{"Birthday of Martin Luther King, Jr.", 1, 0, 1, 3},
	{"Washington's Birthday", 2, 0, 1, 3},
	{"Memorial Day", 5, 0, 1, 0},
	{"Juneteenth", 6, 19, 0, 0},
	{"Independence Day", 7, 4, 0, 0},
	{"Labor Day", 9, 0, 1, 1},
	{"Columbus Day", 10, 0, 1, 2},
	{"Veterans Day", 11, 11, 0, 0},
	{"Thanksgiving Day", 11, 0, 4, 4},
	{"Christmas Day", 12, 25, 0, 0},
};

#define FIRST_YEAR	2026
#define LAST_YEAR	2027

/* The Julian day of a holiday. */
static int
day_of(const SeedHoliday *holiday, int year)
{
	int			first;

	if (holiday->day > 0)
		return date2j(year, holiday->month, holiday->day);
	if (holiday->nth == 0)
	{
		int			last = date2j(year, holiday->month + 1, 1) - 1;

		return last - (j2day(last) - holiday->weekday + 7) % 7;
	}
	first = date2j(year, holiday->month, 1);
	return first + (holiday->weekday - j2day(first) + 7) % 7 +
		7 * (holiday->nth - 1);
}

/* Store the day, and the weekday that is kept for one on a weekend; returns
 * how many were not there. */
static int
add_holiday(const SeedHoliday *holiday, int year)
{
	int			julian = day_of(holiday, year);
	int			kept = julian;
	int			n;

	n = jo_holiday_add("US", julian - POSTGRES_EPOCH_JDATE, holiday->name);
	if (j2day(julian) == 6)
		kept--;
	else if (j2day(julian) == 0)
		kept++;
	if (kept != julian)
		n += jo_holiday_add("US", kept - POSTGRES_EPOCH_JDATE,
							psprintf("%s (observed)", holiday->name));
	return n;
}

static int
add_rule(const SeedRule *rule)
{
	JoParameters parameters = {0};

	jo_parameter_text(&parameters, rule->name);
	jo_parameter_text(&parameters, TCPA_SCOPE);
	jo_parameter_text(&parameters, rule->from);
	jo_parameter_text(&parameters, rule->to);
	jo_parameter_text(&parameters, rule->weekdays);
	jo_parameter(&parameters, BOOLOID, BoolGetDatum(rule->holidays), false);
	jo_parameter_text(&parameters, rule->region);
	jo_parameter_text(&parameters, strlen(rule->region) == 2 ? FEDERAL_SOURCE :
					  STATE_SOURCE);
	return (int) jo_parameters_execute(&parameters,
									   "INSERT INTO journey_orch.quiet_hours_rule"
									   " (name, scope, from_time, to_time, weekdays, holidays,"
									   "  region, action, source, changed_at)"
									   " VALUES ($1, $2::jsonb, $3::time, $4::time, $5::text[], $6,"
									   "  $7, 'defer', $8, clock_timestamp())"
									   " ON CONFLICT (name) DO NOTHING");
}

/* install_rule_set(name) → how many rules and holidays it added. */
Datum
journey_orch_install_rule_set(PG_FUNCTION_ARGS)
{
	static const char *const sets[] = {"us_tcpa", NULL};
	char	   *name = jo_argument_text(fcinfo, 0, "install_rule_set", "name");
	int			n = 0;
	JoRunAs		saved;

	jo_argument_one_of("rule set", name, sets);
	jo_leaf_ensure();
	jo_run_as_extension(&saved);
	SPI_connect();
	for (int i = 0; i < lengthof(us_tcpa); i++)
		n += add_rule(&us_tcpa[i]);
	for (int year = FIRST_YEAR; year <= LAST_YEAR; year++)
	{
		for (int i = 0; i < lengthof(us_holidays); i++)
			n += add_holiday(&us_holidays[i], year);
	}
	/* that of the year after may be kept on the last day of these */
	n += add_holiday(&us_holidays[0], LAST_YEAR + 1);
	SPI_finish();
	jo_run_as_end(&saved);
	if (n > 0)
	{
		jo_definition_changed("quiet_hours_rule");
		jo_definition_changed("holiday");
	}
	PG_RETURN_INT32(n);
}
