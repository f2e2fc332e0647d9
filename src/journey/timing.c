/*
 * journey/timing.c
 *	  When a step is due.
 *
 * Whatever is computed on the way to an hour "at" is read by the default
 * policy; gap and overlap as declared are about the hour itself, and without
 * one about the local time that is arrived at.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/int.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"

#include "core/identity.h"
#include "journey/timing.h"

/* A date on its way: still a local time, or already an instant. */
typedef struct Moment
{
	bool		is_local;
	Timestamp	local;
	TimestampTz instant;
} Moment;

/* The policy of local times that are not yet the result. */
static JoClockPolicy
policy_on_the_way(const JoTiming *timing)
{
	JoClockPolicy standard = {JO_GAP_FORWARD, JO_OVERLAP_SECOND};

	return timing->pattern.has_at ? standard : timing->pattern.policy;
}

bool
jo_due_for(const JoDuration *duration, const JoTiming *timing,
		   TimestampTz arrival, pg_tz *zone, TimestampTz *due)
{
	return jo_interval_add(arrival, &duration->interval, zone,
						   policy_on_the_way(timing), due) &&
		jo_pattern_next(&timing->pattern, *due, zone, due);
}

bool
jo_is_date_type(Oid type)
{
	type = getBaseType(type);
	return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

/* Where a value begins; false when it is out of the range of timestamps. */
static bool
begin_moment(Oid type, Datum value, Moment *moment)
{
	moment->is_local = type != TIMESTAMPTZOID;
	moment->local = moment->instant = 0;
	if (type == DATEOID)
	{
		DateADT		date = DatumGetDateADT(value);

		if (DATE_IS_NOBEGIN(date))
			moment->local = DT_NOBEGIN;
		else if (DATE_IS_NOEND(date))
			moment->local = DT_NOEND;
		else if (date >= TIMESTAMP_END_JULIAN - POSTGRES_EPOCH_JDATE)
			return false;
		else
			moment->local = date * USECS_PER_DAY;
		return true;
	}
	if (moment->is_local)
		moment->local = DatumGetTimestamp(value);
	else
		moment->instant = DatumGetTimestampTz(value);
	return true;
}

/* Add an interval some times over: calendar parts first, at once. */
static bool
shift_moment(Moment *moment, const Interval *interval, int64 times,
			 pg_tz *zone, JoClockPolicy policy)
{
	int64		months;
	int64		days;
	int64		elapsed;

	if (pg_mul_s64_overflow(interval->month, times, &months) ||
		pg_mul_s64_overflow(interval->day, times, &days) ||
		pg_mul_s64_overflow(interval->time, times, &elapsed))
		return false;
	if (months != 0 || days != 0)
	{
		if (!moment->is_local)
			moment->local = jo_civil_local(moment->instant, zone);
		moment->is_local = true;
		if (!jo_civil_add(moment->local, months, days, &moment->local))
			return false;
	}
	if (elapsed == 0)
		return true;
	if (moment->is_local &&
		!jo_civil_instant(moment->local, zone, policy, &moment->instant))
		return false;
	moment->is_local = false;
	return !pg_add_s64_overflow(moment->instant, elapsed, &moment->instant) &&
		IS_VALID_TIMESTAMP(moment->instant);
}

bool
jo_due_date(const JoDateRule *rule, Datum value, int64 times, pg_tz *zone,
			TimestampTz *due)
{
	const JoLocalPattern *pattern = &rule->timing.pattern;
	JoClockPolicy policy = policy_on_the_way(&rule->timing);
	Moment		moment;

	if (!begin_moment(getBaseType(jo_expression_type(rule->date)), value, &moment))
		return false;
	*due = moment.is_local ? moment.local : moment.instant;
	if (TIMESTAMP_NOT_FINITE(*due))
		return true;
	if (!shift_moment(&moment, &rule->every.interval, times, zone, policy) ||
		!shift_moment(&moment, &rule->offset, 1, zone, policy))
		return false;
	if (pattern->has_at)
	{
		if (!moment.is_local)
			moment.local = jo_civil_local(moment.instant, zone);
		moment.is_local = true;
		moment.local = jo_civil_day(moment.local) +
			pattern->at * USECS_PER_MINUTE;
	}
	if (moment.is_local)
		return jo_civil_instant(moment.local, zone, pattern->policy, due);
	*due = moment.instant;
	return IS_VALID_TIMESTAMP(*due);
}

/*
 * Recurrences come in order, so the first that is late enough is found by
 * halves.  One that is out of range counts as late enough: then there is none.
 */
bool
jo_due_next_date(const JoDateRule *rule, Datum value, TimestampTz first,
				 TimestampTz arrival, pg_tz *zone, TimestampTz *due,
				 int64 *times)
{
	const Interval *every = &rule->every.interval;
	int64		least = every->month * 28 * USECS_PER_DAY +
	every->day * USECS_PER_DAY + every->time;
	int64		low = 1;
	int64		high;

	/* Clock changes, "at" and the length of months move one by a few days. */
	if (pg_sub_s64_overflow(arrival, first, &high) ||
		pg_add_s64_overflow(high, 10 * USECS_PER_DAY, &high))
		return false;
	high = high / least + 1;
	while (low < high)
	{
		int64		middle = low + (high - low) / 2;

		if (jo_due_date(rule, value, middle, zone, due) && *due < arrival)
			low = middle + 1;
		else
			high = middle;
	}
	if (times != NULL)
		*times = low;
	return jo_due_date(rule, value, low, zone, due) && *due >= arrival;
}

/* Product / 2^64, rounded down. */
static uint64
multiply_high(uint64 a, uint64 b)
{
	uint64		low = (a & 0xffffffff) * (b & 0xffffffff);
	uint64		cross = (a >> 32) * (b & 0xffffffff) + (low >> 32);
	uint64		other = (a & 0xffffffff) * (b >> 32) + (cross & 0xffffffff);

	return (a >> 32) * (b >> 32) + (cross >> 32) + (other >> 32);
}

int64
jo_due_jitter(const JoTiming *timing, TimestampTz due, pg_tz *zone,
			  const char *journey, const char *step, const char *customer_id)
{
	JoClockPolicy policy = {JO_GAP_FORWARD, JO_OVERLAP_SECOND};
	TimestampTz end;
	uint64		hash;

	if (!timing->has_jitter || TIMESTAMP_NOT_FINITE(due) ||
		!jo_interval_add(due, &timing->jitter.interval, zone, policy, &end))
		return 0;
	end = Min(end, jo_pattern_end(&timing->pattern, due, zone));
	if (end <= due)
		return 0;
	hash = jo_unit_hash("jitter", psprintf("%s:%s", journey, step),
						customer_id);

	return multiply_high(hash, end - due);
}
