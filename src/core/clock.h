/*
 * core/clock.h
 *	  The engine clock: real, or virtual when an operator has set one.
 *
 * The clock is a row (table "clock", no row while real) changed
 * transactionally and cached per backend; relcache invalidation of the table
 * refreshes the cache, also for the backend's own uncommitted change.
 *
 * Instants, due times, quiet hours, caps and retry back-off use this clock.
 * recorded_at, segments, leases, token buckets and retention use the real one
 * (GetCurrentTimestamp).
 */
#ifndef JO_CLOCK_H
#define JO_CLOCK_H

#include "datatype/timestamp.h"
#include "utils/snapshot.h"

/* "No instant" in our structures: SQL NULL.  Zero is midnight of 2000-01-01, a
 * fine instant for a virtual clock. */
#define JO_NO_TIME DT_NOBEGIN

/*
 * The latest instant of a virtual clock.  A lane adds durations (of at most 100
 * years each) to it, and the sum must be a timestamp: an error there would
 * stop the lane.
 */
#define JO_CLOCK_LATEST \
	(END_TIMESTAMP - (int64) 1000 * 366 * USECS_PER_DAY)

typedef struct JoClock
{
	TimestampTz now;			/* virtual instant, or the real time of the
								 * call */
	bool		is_virtual;
	int32		epoch;			/* grows when the clock becomes virtual or
								 * real, or is set back: a lane's own clock
								 * may then go back once */
} JoClock;

extern JoClock jo_clock(void);

/*
 * The clock as "snapshot" sees it, not cached.  A batch needs this one: with a
 * clock that is newer than the events it sees, timers would overtake events of
 * the transaction that set the clock.
 */
extern JoClock jo_clock_at(Snapshot snapshot);

/* Shorthand for jo_clock().now */
extern TimestampTz jo_clock_now(void);

/*
 * Called in the transaction that changed the clock, after the change: every
 * lane may have something due.  Set by the room that rings lanes; NULL: nobody
 * listens.
 */
typedef void (*JoClockChanged) (void);
extern JoClockChanged jo_clock_changed;

#endif							/* JO_CLOCK_H */
