/*
 * journey/duration.c
 *	  Due times: an instant plus a duration in somebody's zone.
 *
 * Months and days are calendar time: added to the local date and hour, and
 * read back in the zone, so "1 day" after 09:00 is 09:00 also over a clock
 * change.  Hours and less are elapsed time, added last.  A local time that a
 * clock change skips moves forward by the gap; of a repeated one the second
 * (standard time) counts.
 */
#include "postgres.h"

#include "parser/scansup.h"
#include "pgtime.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"

#include "journey/journey.h"

/* The zone of a name or abbreviation; NULL when PostgreSQL knows none. */
static pg_tz *
find_zone(const char *name)
{
	pg_tz	   *zone = pg_tzset(name);
	pg_tz	   *abbreviated = NULL;
	int			offset;
	char	   *lower;

	if (zone != NULL && pg_tz_acceptable(zone))
		return zone;
	if (strlen(name) > TZ_STRLEN_MAX)
		return NULL;

	lower = downcase_identifier(name, strlen(name), false, false);
	switch (DecodeTimezoneAbbrev(0, lower, &offset, &abbreviated))
	{
		case DYNTZ:
			return abbreviated;
		case TZ:
		case DTZ:
			/* It counts seconds east of Greenwich, this seconds west of it. */
			return pg_tzset_offset(-offset);
		default:
			return NULL;
	}
}

bool
jo_timezone_is_known(const char *name)
{
	return find_zone(name) != NULL;
}

/* As find_zone(); UTC for NULL, and an unknown zone raises 22023. */
static pg_tz *
get_zone(const char *name)
{
	pg_tz	   *zone = find_zone(name ? name : "UTC");

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("time zone \"%s\" is not known", name),
				 errhint("Use a name of pg_timezone_names.")));
	return zone;
}

TimestampTz
jo_duration_add(TimestampTz from, const JoDuration *duration,
				const char *timezone)
{
	pg_tz	   *saved = session_timezone;
	Datum		result;

	/* timestamptz_pl_interval() adds calendar parts in the session's zone. */
	if (duration->is_elapsed)
		return DatumGetTimestampTz(DirectFunctionCall2(timestamptz_pl_interval,
													   TimestampTzGetDatum(from),
													   IntervalPGetDatum(&duration->interval)));
	PG_TRY();
	{
		session_timezone = get_zone(timezone);
		result = DirectFunctionCall2(timestamptz_pl_interval,
									 TimestampTzGetDatum(from),
									 IntervalPGetDatum(&duration->interval));
	}
	PG_FINALLY();
	{
		session_timezone = saved;
	}
	PG_END_TRY();
	return DatumGetTimestampTz(result);
}
