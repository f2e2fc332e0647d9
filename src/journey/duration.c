/*
 * journey/duration.c
 *	  An instant plus a duration in somebody's zone.
 *
 * Months and days are calendar time: both are added to the local date, months
 * first, and the result is read back in the zone once, so "1 day" after 09:00
 * is 09:00 also over a clock change.  Hours and less are elapsed time, added
 * last.
 */
#include "postgres.h"

#include "common/int.h"
#include "utils/timestamp.h"

#include "journey/journey.h"

bool
jo_interval_add(TimestampTz from, const Interval *interval, pg_tz *zone,
				JoClockPolicy policy, TimestampTz *result)
{
	Timestamp	local;

	*result = from;
	if (TIMESTAMP_NOT_FINITE(from))
		return true;
	if (interval->month != 0 || interval->day != 0)
	{
		if (!jo_civil_add(jo_civil_local(from, zone), interval->month,
						  interval->day, &local) ||
			!jo_civil_instant(local, zone, policy, result))
			return false;
	}
	return !pg_add_s64_overflow(*result, interval->time, result) &&
		IS_VALID_TIMESTAMP(*result);
}

TimestampTz
jo_duration_add(TimestampTz from, const JoDuration *duration,
				const char *timezone)
{
	JoClockPolicy policy = {JO_GAP_FORWARD, JO_OVERLAP_SECOND};
	pg_tz	   *zone = duration->is_elapsed ? NULL : jo_zone_get(timezone);
	TimestampTz result;

	if (!jo_interval_add(from, &duration->interval, zone, policy, &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("timestamp out of range")));
	return result;
}
