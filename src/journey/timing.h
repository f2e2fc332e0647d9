/*
 * journey/timing.h
 *	  When a step is due: a duration, a local time or a date, made an instant.
 *
 * Pure functions of the definition, the arrival, the zone and, for a date, the
 * value that its expression gave.  Steps, and whatever else waits for a local
 * time or a date, call them.
 */
#ifndef JO_TIMING_H
#define JO_TIMING_H

#include "core/civil.h"
#include "core/expression.h"
#include "utils/timestamp.h"

/* A duration. */
typedef struct JoDuration
{
	Interval	interval;
	bool		is_elapsed;		/* hours and less: added as elapsed time; days
								 * and more are calendar, in the run's zone */
} JoDuration;

/* at, weekdays, window, gap, overlap, jitter: how an instant is moved on. */
typedef struct JoTiming
{
	JoLocalPattern pattern;
	bool		has_jitter;
	JoDuration	jitter;
} JoTiming;

/* What happens when a date has passed or is missing. */
typedef enum JoLapse
{
	JO_LAPSE_CONTINUE,
	JO_LAPSE_NEXT,				/* the next recurrence; of a past date only */
	JO_LAPSE_EXIT,
	JO_LAPSE_SKIP
} JoLapse;

typedef struct JoLapsePolicy
{
	JoLapse		lapse;
	char	   *reason;			/* of the exit */
	int			skip_to;		/* step number; else JO_NO_STEP */
} JoLapsePolicy;

/* until or date, offset, at, every, past, missing, gap, overlap. */
typedef struct JoDateRule
{
	JoExpression *date;			/* date, timestamp or timestamptz */
	Interval	offset;
	JoDuration	every;
	JoTiming	timing;			/* "at", its policy and the jitter */
	JoLapsePolicy past;
	JoLapsePolicy missing;
} JoDateRule;

/* ---- duration.c ---- */

/*
 * "from" plus an interval: months and days on the calendar of the zone, read
 * back by "policy", then hours and less as elapsed time.  False when the result
 * is out of range.  "zone" may be NULL where the interval has no calendar part.
 */
extern bool jo_interval_add(TimestampTz from, const Interval *interval,
							pg_tz *zone, JoClockPolicy policy,
							TimestampTz *result);

/*
 * As above with the default policy, in a zone by name (NULL: UTC).  Raises
 * 22008 out of range.
 */
extern TimestampTz jo_duration_add(TimestampTz from,
								   const JoDuration *duration,
								   const char *timezone);

/* ---- timing.c: false means that there is no such instant in range ---- */

/* "for": the duration, then the next instant that the timing allows. */
extern bool jo_due_for(const JoDuration *duration, const JoTiming *timing,
					   TimestampTz arrival, pg_tz *zone, TimestampTz *due);

/* True for the types that a date may have, domains over them included. */
extern bool jo_is_date_type(Oid type);

/*
 * The instant that a date means, recurred "times" times.  DT_NOEND and
 * DT_NOBEGIN stand for infinite dates.
 */
extern bool jo_due_date(const JoDateRule *rule, Datum value, int64 times,
						pg_tz *zone, TimestampTz *due);

/*
 * The first recurrence at or after the arrival of a date whose own instant,
 * "first", is finite and lies before it.  "times" may be NULL.
 */
extern bool jo_due_next_date(const JoDateRule *rule, Datum value,
							 TimestampTz first, TimestampTz arrival,
							 pg_tz *zone, TimestampTz *due, int64 *times);

/*
 * Microseconds to add to "due": the customer's stable part of the jitter,
 * shortened to what weekdays and window leave.
 */
extern int64 jo_due_jitter(const JoTiming *timing, TimestampTz due,
						   pg_tz *zone, const char *journey, const char *step,
						   const char *customer_id);

#endif							/* JO_TIMING_H */
