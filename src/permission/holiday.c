/*
 * permission/holiday.c
 *	  Days off of a region: set_holiday(), drop_holiday(), and business days.
 *
 * A part of a country has the country's holidays too.  They are data with a
 * date each, not rules: which day is kept, and which weekday is taken for it,
 * is decided by law year by year.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/memutils.h"

#include "audience/audience.h"
#include "core/cache.h"
#include "core/definition.h"
#include "core/errors.h"
#include "core/leaf.h"
#include "core/run_as.h"
#include "permission/argument.h"
#include "permission/holiday.h"

PG_FUNCTION_INFO_V1(journey_orch_set_holiday);
PG_FUNCTION_INFO_V1(journey_orch_drop_holiday);
PG_FUNCTION_INFO_V1(journey_orch_add_business_days);

#define REGION_BYTES 8

/* Business days that may be added: some forty years. */
#define MAX_DAYS 10000

typedef struct HolidayKey
{
	char		region[REGION_BYTES];	/* zero padded */
	DateADT		day;
} HolidayKey;

/* Columns of table holiday. */
enum
{
	Anum_region = 1,
	Anum_day
};

static JoCache cache = {
	.name = "holidays",
	.tables = {"holiday"}
};

static List *holidays;			/* of HolidayKey, by region and day */

void
jo_holiday_init(void)
{
	jo_cache_register(&cache);
}

static void
set_key(HolidayKey *key, const char *region, int length, DateADT day)
{
	memset(key, 0, sizeof(*key));
	memcpy(key->region, region, Min(length, REGION_BYTES - 1));
	key->day = day;
}

static int
compare_keys(const HolidayKey *a, const HolidayKey *b)
{
	int			order = memcmp(a->region, b->region, REGION_BYTES);

	if (order != 0)
		return order;
	return a->day < b->day ? -1 : a->day > b->day;
}

static int
compare_cells(const ListCell *a, const ListCell *b)
{
	return compare_keys(lfirst(a), lfirst(b));
}

static void
read_holiday(TupleTableSlot *slot, void *arg)
{
	MemoryContext caller = MemoryContextSwitchTo(jo_cache_context(&cache));
	HolidayKey *key = palloc(sizeof(HolidayKey));
	bool		isnull;
	char	   *region = TextDatumGetCString(slot_getattr(slot, Anum_region,
														  &isnull));

	set_key(key, region, strlen(region),
			DatumGetDateADT(slot_getattr(slot, Anum_day, &isnull)));
	holidays = lappend(holidays, key);
	MemoryContextSwitchTo(caller);
}

void
jo_holidays_begin(void)
{
	if (!jo_cache_begin(&cache))
		return;
	holidays = NIL;
	jo_cache_read_table("holiday", read_holiday, NULL);
	list_sort(holidays, compare_cells);
	jo_cache_filled(&cache);
}

void
jo_holidays_end(void)
{
	jo_cache_end(&cache);
}

/* Is it a holiday of exactly the region of "length" bytes? */
static bool
has_holiday(const char *region, int length, DateADT day)
{
	HolidayKey	key;
	int			low = 0;
	int			high = list_length(holidays);

	set_key(&key, region, length, day);
	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = compare_keys(list_nth(holidays, middle), &key);

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

bool
jo_is_holiday(const char *region, DateADT day)
{
	const char *hyphen;

	if (region == NULL || holidays == NIL)
		return false;
	if (has_holiday(region, strlen(region), day))
		return true;
	hyphen = strchr(region, '-');
	return hyphen != NULL && has_holiday(region, hyphen - region, day);
}

/* ---- the functions ---- */

/* Argument "region" in canonical form; raises 22023 when it is none. */
static char *
region_argument(FunctionCallInfo fcinfo, int argument, const char *function)
{
	char	   *given = jo_argument_text(fcinfo, argument, function, "region");
	char	   *region = jo_region_canonical(given);

	if (region == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid region \"%s\"", jo_clipped(given)),
				 errhint("It is a country or a part of one as ISO 3166-2 writes it, such as US or US-FL.")));
	return region;
}

static DateADT
day_argument(FunctionCallInfo fcinfo, int argument, const char *function)
{
	DateADT		day;

	jo_argument_ensure(fcinfo, argument, function, "day");
	day = PG_GETARG_DATEADT(argument);
	if (DATE_NOT_FINITE(day))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be finite", "day")));
	return day;
}

static uint64
execute(const char *sql, const char *region, DateADT day, const char *name)
{
	JoParameters parameters = {0};

	jo_parameter_text(&parameters, region);
	jo_parameter(&parameters, DATEOID, DateADTGetDatum(day), false);
	jo_parameter_text(&parameters, name);
	return jo_parameters_execute(&parameters, sql);
}

bool
jo_holiday_add(const char *region, DateADT day, const char *name)
{
	return execute("INSERT INTO journey_orch.holiday VALUES ($1, $2, $3)"
				   " ON CONFLICT (region, day) DO NOTHING",
				   region, day, name) > 0;
}

/* set_holiday(region, day, name) → 'created', 'replaced' or 'unchanged'. */
Datum
journey_orch_set_holiday(PG_FUNCTION_ARGS)
{
	char	   *region = region_argument(fcinfo, 0, "set_holiday");
	DateADT		day = day_argument(fcinfo, 1, "set_holiday");
	char	   *name = jo_argument_text(fcinfo, 2, "set_holiday", "name");
	const char *outcome = "unchanged";
	JoRunAs		saved;

	jo_leaf_ensure();
	jo_run_as_extension(&saved);
	SPI_connect();
	if (jo_holiday_add(region, day, name))
		outcome = "created";
	else if (execute("UPDATE journey_orch.holiday SET name = $3"
					 " WHERE region = $1 AND day = $2 AND name <> $3",
					 region, day, name) > 0)
		outcome = "replaced";
	SPI_finish();
	jo_run_as_end(&saved);
	if (strcmp(outcome, "unchanged") != 0)
		jo_definition_changed("holiday");
	PG_RETURN_TEXT_P(cstring_to_text(outcome));
}

/* drop_holiday(region, day) → was there one? */
Datum
journey_orch_drop_holiday(PG_FUNCTION_ARGS)
{
	char	   *region = region_argument(fcinfo, 0, "drop_holiday");
	DateADT		day = day_argument(fcinfo, 1, "drop_holiday");
	bool		existed;
	JoRunAs		saved;

	jo_leaf_ensure();
	jo_run_as_extension(&saved);
	SPI_connect();
	existed = execute("DELETE FROM journey_orch.holiday"
					  " WHERE region = $1 AND day = $2 AND $3 IS NULL",
					  region, day, NULL) > 0;
	SPI_finish();
	jo_run_as_end(&saved);
	if (existed)
		jo_definition_changed("holiday");
	PG_RETURN_BOOL(existed);
}

/* add_business_days(day, n, region) → date. */
Datum
journey_orch_add_business_days(PG_FUNCTION_ARGS)
{
	DateADT		day = day_argument(fcinfo, 0, "add_business_days");
	char	   *region = NULL;
	int			n;

	jo_argument_ensure(fcinfo, 1, "add_business_days", "n");
	n = PG_GETARG_INT32(1);
	if (n < 0 || n > MAX_DAYS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" must be between 0 and %d, not %d",
						"n", MAX_DAYS, n)));
	if (!PG_ARGISNULL(2))
		region = region_argument(fcinfo, 2, "add_business_days");

	jo_holidays_begin();
	while (n > 0)
	{
		int			weekday;

		day++;
		if (!IS_VALID_DATE(day))
			ereport(ERROR,
					(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
					 errmsg("date out of range")));
		weekday = j2day(day + POSTGRES_EPOCH_JDATE);
		if (weekday != 0 && weekday != 6 && !jo_is_holiday(region, day))
			n--;
	}
	jo_holidays_end();
	PG_RETURN_DATEADT(day);
}
