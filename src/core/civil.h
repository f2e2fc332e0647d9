/*
 * core/civil.h
 *	  Civil time: dates and hours on somebody's wall, and the instants they
 *	  mean.
 *
 * A local time is a Timestamp (what the wall clock shows, in microseconds
 * since 2000-01-01 00:00 of that wall), an instant a TimestampTz.  A clock
 * change leaves a gap of local times that never are, or repeats some; what
 * becomes of those is the caller's policy.  Pure functions of their arguments
 * and the server's zone files: no table, no clock, no setting.
 */
#ifndef JO_CIVIL_H
#define JO_CIVIL_H

#include "datatype/timestamp.h"
#include "pgtime.h"

/* A local time that a clock change skips. */
typedef enum JoGap
{
	JO_GAP_FORWARD,				/* moved by the length of the gap: read with
								 * the offset in force before the change */
	JO_GAP_SKIP					/* the next day that has it */
} JoGap;

/* A local time that a clock change repeats. */
typedef enum JoOverlap
{
	JO_OVERLAP_SECOND,
	JO_OVERLAP_FIRST
} JoOverlap;

/* All zero: the defaults of the language. */
typedef struct JoClockPolicy
{
	JoGap		gap;
	JoOverlap	overlap;
} JoClockPolicy;

/*
 * Which local times are wanted.  With "at" one instant a day; without it every
 * instant whose local reading is on one of the weekdays and inside the window.
 * Weekdays are bits, 1 << 0 is Sunday; 0 means all.  The weekdays of a window
 * are those of the day on which it opens.
 */
typedef struct JoLocalPattern
{
	bool		has_at;
	bool		has_window;
	int			at;				/* minute of the day, as the others */
	int			weekdays;
	int			from;			/* included */
	int			to;				/* excluded; before "from": over midnight */
	int			window_weekdays;
	JoClockPolicy policy;		/* of "at" */
} JoLocalPattern;

/* ---- zone.c ---- */

/*
 * The zone of an IANA name, in any case; NULL when the server has none.  A
 * POSIX string such as UTC3 is none: a typing error would mean something.
 */
extern pg_tz *jo_zone_find(const char *name);

/* As above; UTC for NULL, and an unknown zone raises 22023. */
extern pg_tz *jo_zone_get(const char *name);

/* ---- civil.c ---- */

/* What the wall clock shows at an instant. */
extern Timestamp jo_civil_local(TimestampTz instant, pg_tz *zone);

/*
 * The instant of a local time by policy.  False when it is out of PostgreSQL's
 * range.
 */
extern bool jo_civil_instant(Timestamp local, pg_tz *zone,
							 JoClockPolicy policy, TimestampTz *instant);

/*
 * A local time plus months, then days; a day that the month does not have
 * becomes its last.  False when the result is out of range.
 */
extern bool jo_civil_add(Timestamp local, int64 months, int64 days,
						 Timestamp *result);

/* Midnight of the local day of "local". */
extern Timestamp jo_civil_day(Timestamp local);

/* ---- pattern.c ---- */

/* The first wanted instant at or after "from"; false when there is none. */
extern bool jo_pattern_next(const JoLocalPattern *pattern, TimestampTz from,
							pg_tz *zone, TimestampTz *next);

/*
 * Is the local day of "from" a wanted one, whose hour has passed?  False
 * without "at".
 */
extern bool jo_pattern_is_missed(const JoLocalPattern *pattern,
								 TimestampTz from, pg_tz *zone);

/*
 * Until when weekdays and window go on allowing what they allow at "from": the
 * first instant from there whose reading they refuse, DT_NOEND when they never
 * do.  "at" does not matter.
 */
extern TimestampTz jo_pattern_end(const JoLocalPattern *pattern,
								  TimestampTz from, pg_tz *zone);

/* Can there be a wanted instant at all? */
extern bool jo_pattern_is_possible(const JoLocalPattern *pattern);

/* Does the window contain "at"?  True where one of them is not given. */
extern bool jo_pattern_at_is_inside(const JoLocalPattern *pattern);

/* ---- between these files ---- */

/* The instants of one local time. */
typedef struct JoResolved
{
	TimestampTz first;
	TimestampTz second;			/* the same unless it is repeated; in a gap
								 * both are read with the offset before it */
	bool		exists;			/* false: in a gap */
	bool		has_day;		/* false: its whole local day is in the gap */
} JoResolved;

extern void jo_civil_resolve(Timestamp local, pg_tz *zone,
							 JoResolved *resolved);

/* The stretch of one offset around an instant. */
typedef struct JoOffsetSpan
{
	int64		offset;			/* microseconds east of Greenwich */
	TimestampTz end;			/* first instant of the next one; DT_NOEND:
								 * none */
} JoOffsetSpan;

extern JoOffsetSpan jo_civil_span(TimestampTz instant, pg_tz *zone);

/* Quotient rounded down; "divisor" is positive. */
static inline int64
jo_floor_divide(int64 dividend, int64 divisor)
{
	int64		quotient = dividend / divisor;

	return quotient * divisor > dividend ? quotient - 1 : quotient;
}

#endif							/* JO_CIVIL_H */
