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

typedef struct JoClock
{
	TimestampTz now;			/* virtual instant, or the real time of the call */
	bool		is_virtual;
	int32		epoch;			/* grows when the clock is reset or set back: a
								 * lane's own clock may then go back once */
} JoClock;

extern JoClock jo_clock(void);

/* Shorthand for jo_clock().now */
extern TimestampTz jo_clock_now(void);

#endif							/* JO_CLOCK_H */
