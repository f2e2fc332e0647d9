/*
 * core/civil.c
 *	  Between local times and instants.
 *
 * A zone is a row of spans, each with one offset.  A local time L is shown at
 * the instant L - offset of every span that contains it: once as a rule, twice
 * where the clock went back, never where it went forward.  All spans within
 * reach are looked at, so that two changes within days, a change of a whole day
 * and one at midnight need no rule of their own.
 */
#include "postgres.h"

#include "utils/datetime.h"
#include "utils/timestamp.h"

#include "core/civil.h"

/* Seconds from 1970 to 2000. */
#define EPOCH_SHIFT \
	((pg_time_t) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

/* No offset is as large: the farthest is Manila's mean time, near 16 hours. */
#define REACH (2 * USECS_PER_DAY)

/* Days in a row on which one local time is skipped: never more than one. */
#define MAX_SKIPPED_DAYS 10

JoOffsetSpan
jo_civil_span(TimestampTz instant, pg_tz *zone)
{
	pg_time_t	second = jo_floor_divide(instant, USECS_PER_SEC) + EPOCH_SHIFT;
	long int	before;
	long int	after;
	int			is_dst;
	pg_time_t	boundary;
	JoOffsetSpan span;
	int			found;

	found = pg_next_dst_boundary(&second, &before, &is_dst, &boundary, &after,
								 &is_dst, zone);
	if (found < 0)
	{
		struct pg_tm *tm = pg_localtime(&second, zone);

		before = tm != NULL ? tm->tm_gmtoff : 0;
	}
	span.offset = before * USECS_PER_SEC;
	span.end = DT_NOEND;
	if (found > 0 && boundary - EPOCH_SHIFT < DT_NOEND / USECS_PER_SEC)
		span.end = (boundary - EPOCH_SHIFT) * USECS_PER_SEC;
	return span;
}

Timestamp
jo_civil_local(TimestampTz instant, pg_tz *zone)
{
	return instant + jo_civil_span(instant, zone).offset;
}

Timestamp
jo_civil_day(Timestamp local)
{
	return jo_floor_divide(local, USECS_PER_DAY) * USECS_PER_DAY;
}

void
jo_civil_resolve(Timestamp local, pg_tz *zone, JoResolved *resolved)
{
	TimestampTz start = local - REACH;
	JoOffsetSpan span = jo_civil_span(start, zone);

	resolved->exists = false;
	resolved->has_day = true;
	resolved->first = resolved->second = local - span.offset;
	for (;;)
	{
		TimestampTz instant = local - span.offset;
		JoOffsetSpan next;

		if (instant >= start && instant < span.end)
		{
			if (!resolved->exists)
				resolved->first = instant;
			resolved->second = instant;
			resolved->exists = true;
		}
		if (span.end > local + REACH)
			break;
		next = jo_civil_span(span.end, zone);
		if (!resolved->exists && instant >= span.end &&
			local - next.offset < span.end)
		{
			/* The change at span.end jumps over it. */
			Timestamp	day = jo_civil_day(local);

			resolved->first = resolved->second = instant;
			resolved->has_day = day < span.end + span.offset ||
				day + USECS_PER_DAY > span.end + next.offset;
		}
		start = span.end;
		span = next;
	}
}

bool
jo_civil_instant(Timestamp local, pg_tz *zone, JoClockPolicy policy,
				 TimestampTz *instant)
{
	for (int i = 0; i < MAX_SKIPPED_DAYS; i++)
	{
		JoResolved	resolved;

		if (!IS_VALID_TIMESTAMP(local))
			return false;
		jo_civil_resolve(local, zone, &resolved);
		if (resolved.exists || policy.gap == JO_GAP_FORWARD)
		{
			*instant = policy.overlap == JO_OVERLAP_FIRST ?
				resolved.first : resolved.second;
			return IS_VALID_TIMESTAMP(*instant);
		}
		local += USECS_PER_DAY;
	}
	return false;
}

bool
jo_civil_add(Timestamp local, int64 months, int64 days, Timestamp *result)
{
	int64		date = jo_floor_divide(local, USECS_PER_DAY);
	int64		time = local - date * USECS_PER_DAY;
	int			year;
	int			month;
	int			day;

	/* Beyond these bounds nothing is in range, and sums might overflow. */
	if (!IS_VALID_TIMESTAMP(local) ||
		months < -(int64) PG_INT32_MAX / 31 || months > PG_INT32_MAX / 31 ||
		days < -(int64) PG_INT32_MAX || days > PG_INT32_MAX)
		return false;
	if (months != 0)
	{
		int64		total;

		j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
		total = (int64) year * MONTHS_PER_YEAR + month - 1 + months;
		year = jo_floor_divide(total, MONTHS_PER_YEAR);
		month = total - (int64) year * MONTHS_PER_YEAR + 1;
		day = Min(day, day_tab[isleap(year)][month - 1]);
		if (!IS_VALID_JULIAN(year, month, day))
			return false;
		date = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	}
	date += days;
	if (date < DATETIME_MIN_JULIAN - POSTGRES_EPOCH_JDATE ||
		date >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE)
		return false;
	*result = date * USECS_PER_DAY + time;
	return IS_VALID_TIMESTAMP(*result);
}
