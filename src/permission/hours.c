/*
 * permission/hours.c
 *	  The rules of quiet hours, and when they next let a message through.
 *
 * A rule is a window of the wall clock in which it is quiet.  Whatever several
 * rules say, and in whatever zones a customer may be, a message goes out only
 * when none of them is quiet in any of the zones: the strictest wins without
 * one having to know which it is.  The next opening is found by going from the
 * end of one quiet stretch to the end of the next until none is left.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/memutils.h"

#include "core/cache.h"
#include "core/civil.h"
#include "permission/holiday.h"
#include "permission/hours.h"

/* Columns of table quiet_hours_rule. */
enum
{
	Anum_name = 1,
	Anum_scope,
	Anum_from_time,
	Anum_to_time,
	Anum_weekdays,
	Anum_holidays,
	Anum_region,
	Anum_action,
	Anum_source,
	Anum_valid_from,
	Anum_valid_until,
	Anum_changed_at,
	Anum_reviewed_at
};

/* Nothing is quiet for longer; a rule set that is has no opening. */
#define LONGEST (366 * USECS_PER_DAY)

static JoCache cache = {
	.name = "quiet hours",
	.tables = {"quiet_hours_rule"}
};

static List *all_rules;			/* of JoHours, by name */

void
jo_hours_init(void)
{
	jo_cache_register(&cache);
}

/* ---- the cache ---- */

static char *
slot_text(TupleTableSlot *slot, int attnum)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attnum, &isnull);

	return isnull ? NULL : TextDatumGetCString(value);
}

/* Bits of the weekdays of a text array, 1 << 0 is Sunday; NULL: all. */
static int
slot_weekdays(TupleTableSlot *slot, int attnum)
{
	bool		isnull;
	Datum		value = slot_getattr(slot, attnum, &isnull);
	Datum	   *names;
	int			weekdays = 0;
	int			n;

	if (isnull)
		return 0x7f;
	deconstruct_array(DatumGetArrayTypeP(value), TEXTOID, -1, false,
					  TYPALIGN_INT, &names, NULL, &n);
	for (int i = 0; i < n; i++)
	{
		for (int day = 0; day < 7; day++)
			if (pg_strcasecmp(days[day], TextDatumGetCString(names[i])) == 0)
				weekdays |= 1 << day;
	}
	return weekdays;
}

static void
read_rule(TupleTableSlot *slot, void *arg)
{
	MemoryContext caller = MemoryContextSwitchTo(jo_cache_context(&cache));
	JoHours    *hours = palloc0(sizeof(JoHours));
	bool		isnull;
	Datum		value;

	slot_getallattrs(slot);
	hours->name = slot_text(slot, Anum_name);
	jo_scope_read(DatumGetJsonbP(slot_getattr(slot, Anum_scope, &isnull)),
				  &hours->scope);
	hours->from = DatumGetTimeADT(slot_getattr(slot, Anum_from_time, &isnull));
	hours->to = DatumGetTimeADT(slot_getattr(slot, Anum_to_time, &isnull));
	hours->weekdays = slot_weekdays(slot, Anum_weekdays);
	hours->on_holidays = DatumGetBool(slot_getattr(slot, Anum_holidays,
												   &isnull));
	hours->region = slot_text(slot, Anum_region);
	hours->withholds = strcmp(slot_text(slot, Anum_action), "withhold") == 0;
	hours->source = slot_text(slot, Anum_source);
	value = slot_getattr(slot, Anum_valid_from, &isnull);
	hours->valid_from = isnull ? PG_INT32_MIN : DatumGetDateADT(value);
	value = slot_getattr(slot, Anum_valid_until, &isnull);
	hours->valid_until = isnull ? PG_INT32_MAX : DatumGetDateADT(value);
	(void) slot_getattr(slot, Anum_reviewed_at, &isnull);
	hours->is_reviewed = !isnull;
	all_rules = lappend(all_rules, hours);
	MemoryContextSwitchTo(caller);
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	const JoHours *left = lfirst(a);
	const JoHours *right = lfirst(b);

	return strcmp(left->name, right->name);
}

List *
jo_hours_begin(void)
{
	if (jo_cache_begin(&cache))
	{
		all_rules = NIL;
		jo_cache_read_table("quiet_hours_rule", read_rule, NULL);
		list_sort(all_rules, compare_names);
		jo_cache_filled(&cache);
	}
	return all_rules;
}

void
jo_hours_end(void)
{
	jo_cache_end(&cache);
}

/* ---- when it is quiet ---- */

/* Does a window of the rule begin on that day? */
static bool
begins_on(const JoHours *hours, const char *region, int64 date)
{
	if (date < hours->valid_from || date >= hours->valid_until)
		return false;
	return (hours->weekdays & (1 << j2day(date + POSTGRES_EPOCH_JDATE))) != 0 ||
		(hours->on_holidays &&
		 jo_is_holiday(hours->region && strlen(hours->region) > 2 ?
					   hours->region : region ? region : hours->region,
					   (DateADT) date));
}

TimestampTz
jo_hours_end_of_quiet(const JoHours *hours, const char *region, pg_tz *zone,
					  TimestampTz instant)
{
	JoOffsetSpan span = jo_civil_span(instant, zone);
	Timestamp	local = instant + span.offset;
	int64		today = jo_floor_divide(local, USECS_PER_DAY);
	Timestamp	end = local;

	for (int64 date = today - 1; date <= today; date++)
	{
		Timestamp	midnight = date * USECS_PER_DAY;
		Timestamp	stop = midnight + hours->to +
		(hours->to > hours->from ? 0 : USECS_PER_DAY);

		if (local >= midnight + hours->from && local < stop &&
			begins_on(hours, region, date))
			end = Max(end, stop);
	}
	if (end == local)
		return instant;

	/* local time runs evenly only up to the next change of the clock */
	return Min(end - span.offset, span.end);
}

TimestampTz
jo_hours_next_opening(List *rules, const JoPlace *place, TimestampTz instant)
{
	TimestampTz limit = instant + LONGEST;
	TimestampTz before;

	do
	{
		ListCell   *cell;

		before = instant;
		foreach(cell, rules)
		{
			for (int i = 0; i < place->n; i++)
				instant = jo_hours_end_of_quiet(lfirst(cell), place->region,
												place->zones[i], instant);
		}
		if (instant > limit)
			return DT_NOEND;
	} while (instant != before);
	return instant;
}
