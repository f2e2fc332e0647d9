/*
 * enrollment/enrollment.h
 *	  The engine's door for workers and SQL: run one batch of one lane.
 */
#ifndef JO_ENROLLMENT_H
#define JO_ENROLLMENT_H

#include "datatype/timestamp.h"

#include "capture/capture.h"

/* What a batch did. */
typedef struct JoBatchResult
{
	int			events;			/* applied */
	int			timers;			/* looked at */
	int			advances;
	int			messages;		/* enqueued */
	bool		more;			/* call again at once: more is due or pending */
	TimestampTz next_due;		/* next timer of the lane (engine clock), or
								 * JO_NO_TIME */
} JoBatchResult;

/*
 * Run one batch of a lane in the current transaction, which must be READ
 * COMMITTED and hold JO_LOCK_LANE of the lane, taken BEFORE the snapshot of the
 * batch: this function takes that snapshot itself and must be called without
 * an active one.  Reads at most "limit" events.  "until" (engine clock) bounds
 * timers, JO_NO_TIME: the clock.  Writes everything and appends the cursor, unless
 * there was nothing to do; the caller commits (asynchronously, if it likes).
 */
extern void jo_batch_run(int lane, int limit, TimestampTz until,
						 JoBatchResult *result);

/*
 * Due time of the first timer behind the cursor that "snapshot" sees, or
 * JO_NO_TIME: what is due at the engine clock was not looked at yet.
 */
extern TimestampTz jo_lane_next_timer(const JoLaneCursor *cursor,
									  Snapshot snapshot);

/* Setting journey_orch.batch_size. */
extern int	jo_batch_size;

extern void jo_enrollment_init(void);

#endif							/* JO_ENROLLMENT_H */
