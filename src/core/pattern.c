/*
 * core/pattern.c
 *	  When the wall clock next shows what somebody wants: an hour, weekdays, a
 *	  window.
 *
 * With an hour, days are tried one after the other.  Without one, local time
 * runs evenly inside a span of one offset, so the next allowed reading is found
 * by arithmetic there, and where it lies beyond the span the search goes on in
 * the next.  A gap or a repetition needs no policy then: an instant is allowed
 * when its reading is.
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "core/civil.h"

#define MINUTES_PER_DAY (MINS_PER_HOUR * HOURS_PER_DAY)

/* A pattern that has no day in two years has none. */
#define MAX_DAYS 800

/* Weekdays repeat after a week; a window may begin a day earlier. */
#define DAYS_AROUND 9

/* No zone has more changes before an allowed day comes. */
#define MAX_SPANS 200

/* A day's part that is allowed, from "start" up to "end", both local. */
typedef struct Part
{
	Timestamp	start;
	Timestamp	end;
} Part;

static bool
has_weekday(int weekdays, int64 date)
{
	return weekdays == 0 ||
		(weekdays & (1 << j2day(date + POSTGRES_EPOCH_JDATE))) != 0;
}

static bool
crosses_midnight(const JoLocalPattern *pattern)
{
	return pattern->from > pattern->to;
}

/* Is the day wanted, for the hour "at"? */
static bool
is_day_of_hour(const JoLocalPattern *pattern, int64 date)
{
	int64		opening = date;

	if (!has_weekday(pattern->weekdays, date))
		return false;
	if (!pattern->has_window)
		return true;
	if (crosses_midnight(pattern) && pattern->at < pattern->to)
		opening = date - 1;
	return has_weekday(pattern->window_weekdays, opening);
}

/* The instant of "at" on a day; false when the day has none. */
static bool
hour_of_day(const JoLocalPattern *pattern, int64 date, pg_tz *zone,
			TimestampTz *instant)
{
	JoResolved	resolved;

	if (!is_day_of_hour(pattern, date))
		return false;
	jo_civil_resolve(date * USECS_PER_DAY + pattern->at * USECS_PER_MINUTE,
					 zone, &resolved);
	if (!resolved.has_day ||
		(!resolved.exists && pattern->policy.gap == JO_GAP_SKIP))
		return false;
	*instant = pattern->policy.overlap == JO_OVERLAP_FIRST ?
		resolved.first : resolved.second;
	return true;
}

/*
 * Begins two days early: after a change the hour of yesterday may be still to
 * come.  An hour never comes before that of the day before.
 */
static bool
next_hour(const JoLocalPattern *pattern, TimestampTz from, pg_tz *zone,
		  TimestampTz *next)
{
	int64		today = jo_floor_divide(jo_civil_local(from, zone),
										USECS_PER_DAY);

	for (int64 date = today - 2; date < today + MAX_DAYS; date++)
	{
		if (hour_of_day(pattern, date, zone, next) && *next >= from)
			return IS_VALID_TIMESTAMP(*next);
	}
	return false;
}

/* Put a part from minute "from" up to minute "to" of the day; false: empty. */
static bool
make_part(int64 date, int from, int to, Part *part)
{
	part->start = date * USECS_PER_DAY + from * USECS_PER_MINUTE;
	part->end = date * USECS_PER_DAY + to * USECS_PER_MINUTE;
	return from < to;
}

/* The allowed parts of a day in their order: at most two. */
static int
parts_of_day(const JoLocalPattern *pattern, int64 date, Part *parts)
{
	bool		opens = has_weekday(pattern->window_weekdays, date);
	int			n = 0;

	if (!has_weekday(pattern->weekdays, date))
		return 0;
	if (!pattern->has_window)
		return make_part(date, 0, MINUTES_PER_DAY, &parts[0]);
	if (!crosses_midnight(pattern))
		return opens && make_part(date, pattern->from, pattern->to, &parts[0]);
	if (has_weekday(pattern->window_weekdays, date - 1))
		n += make_part(date, 0, pattern->to, &parts[n]);
	if (opens)
		n += make_part(date, pattern->from, MINUTES_PER_DAY, &parts[n]);
	return n;
}

/* The first allowed reading at or after "local"; false: there is none. */
static bool
next_reading(const JoLocalPattern *pattern, Timestamp local,
			 Timestamp *reading)
{
	int64		today = jo_floor_divide(local, USECS_PER_DAY);

	for (int64 date = today; date < today + DAYS_AROUND; date++)
	{
		Part		parts[2];
		int			n = parts_of_day(pattern, date, parts);

		for (int i = 0; i < n; i++)
		{
			if (local >= parts[i].end)
				continue;
			*reading = Max(local, parts[i].start);
			return true;
		}
	}
	return false;
}

/* The first refused reading at or after "local"; false: there is none. */
static bool
next_refusal(const JoLocalPattern *pattern, Timestamp local,
			 Timestamp *refusal)
{
	int64		today = jo_floor_divide(local, USECS_PER_DAY);

	*refusal = local;
	for (int64 date = today; date < today + DAYS_AROUND; date++)
	{
		Part		parts[2];
		int			n = parts_of_day(pattern, date, parts);

		for (int i = 0; i < n; i++)
		{
			if (*refusal >= parts[i].start && *refusal < parts[i].end)
				*refusal = parts[i].end;
		}
		if (*refusal < (date + 1) * USECS_PER_DAY)
			return true;
	}
	return false;
}

bool
jo_pattern_next(const JoLocalPattern *pattern, TimestampTz from, pg_tz *zone,
				TimestampTz *next)
{
	if (pattern->has_at)
		return next_hour(pattern, from, zone, next);
	for (int i = 0; i < MAX_SPANS; i++)
	{
		JoOffsetSpan span = jo_civil_span(from, zone);
		Timestamp	reading;

		if (!next_reading(pattern, from + span.offset, &reading))
			return false;
		*next = reading - span.offset;
		if (*next < span.end)
			return IS_VALID_TIMESTAMP(*next);
		from = span.end;
	}
	return false;
}

TimestampTz
jo_pattern_end(const JoLocalPattern *pattern, TimestampTz from, pg_tz *zone)
{
	for (int i = 0; i < MAX_SPANS; i++)
	{
		JoOffsetSpan span = jo_civil_span(from, zone);
		Timestamp	refusal;

		if (!next_refusal(pattern, from + span.offset, &refusal))
			return DT_NOEND;
		if (refusal - span.offset < span.end)
			return refusal - span.offset;
		from = span.end;
	}
	return from;
}

bool
jo_pattern_is_missed(const JoLocalPattern *pattern, TimestampTz from,
					 pg_tz *zone)
{
	int64		today = jo_floor_divide(jo_civil_local(from, zone),
										USECS_PER_DAY);
	TimestampTz hour;

	return pattern->has_at && hour_of_day(pattern, today, zone, &hour) &&
		hour < from;
}

bool
jo_pattern_at_is_inside(const JoLocalPattern *pattern)
{
	if (!pattern->has_at || !pattern->has_window)
		return true;
	if (crosses_midnight(pattern))
		return pattern->at >= pattern->from || pattern->at < pattern->to;
	return pattern->at >= pattern->from && pattern->at < pattern->to;
}

bool
jo_pattern_is_possible(const JoLocalPattern *pattern)
{
	Timestamp	ignored;

	if (!pattern->has_at)
		return next_reading(pattern, 0, &ignored);
	if (!jo_pattern_at_is_inside(pattern))
		return false;
	for (int date = 0; date < 7; date++)
	{
		if (is_day_of_hour(pattern, date))
			return true;
	}
	return false;
}
