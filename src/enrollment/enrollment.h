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
	bool		called;			/* executed authors' functions: any lane may
								 * have got events */
	bool		fans_out;		/* see jo_fan_out_run() */
	TimestampTz next_due;		/* next timer of the lane (engine clock), or
								 * JO_NO_TIME */
} JoBatchResult;

/* What a batch is asked to do. */
typedef struct JoBatchOrder
{
	int			lane;
	int			limit;			/* most events, and most timers */
	TimestampTz until;			/* engine clock that bounds timers;
								 * JO_NO_TIME: the clock */
	bool		is_careful;		/* one customer at a time, after a failure */
	int			timeout_ms;		/* of one customer then; 0: none */
} JoBatchOrder;

/*
 * Run one batch of a lane in the current transaction, which must be READ
 * COMMITTED and hold JO_LOCK_LANE of the lane, taken BEFORE the snapshot of the
 * batch: this function takes that snapshot itself and must be called without
 * an active one.  Writes everything and appends the cursor, unless
 * there was nothing to do; the caller commits (asynchronously, if it likes).
 *
 * A careful batch takes little and survives what fails for one customer.  Its
 * timeout_ms is for a caller that has STATEMENT_TIMEOUT for itself and has
 * enabled it: each customer gets the whole of it again.
 */
extern void jo_batch_run(const JoBatchOrder *order, JoBatchResult *result);

/* What one call of jo_fan_out_run() found. */
typedef enum JoFanOutResult
{
	JO_FAN_OUT_NONE,			/* nothing is open, or others are at it */
	JO_FAN_OUT_WORKED			/* call again at once */
} JoFanOutResult;

/*
 * Tell the next customers of an audience to enter: one chunk of one fan-out, in
 * the current transaction, under the same conditions as jo_batch_run().  With
 * "waits" one that another process works on is waited for.  A failure of the
 * audience is recorded, not raised.  Where none is open and the clock is
 * virtual, the next planned time of the schedules up to "until" (JO_NO_TIME:
 * the clock) comes.
 */
extern JoFanOutResult jo_fan_out_run(bool waits, TimestampTz until);

/* End the fan-out of the last jo_fan_out_run() with the error that it raised. */
extern void jo_fan_out_give_up(const ErrorData *edata);

/* Is one open now, as far as is committed? */
extern bool jo_fan_out_is_open(void);

/*
 * Would a careful batch get past this error of a batch?  False for what no
 * customer is to blame for: interrupts, lack of resources, deadlocks, locks,
 * corruption, a relation of customers that cannot be read.  In a PG_CATCH, or
 * on a copy made there.
 */
extern bool jo_careful_helps(const ErrorData *edata);

/* Say once in the log that a lane goes on carefully, and why; no payload. */
extern void jo_careful_report(int lane, const ErrorData *edata);

/*
 * Due time of the first timer behind the cursor that "snapshot" sees, or
 * JO_NO_TIME: what is due at the engine clock was not looked at yet.
 */
extern TimestampTz jo_lane_next_timer(const JoLaneCursor *cursor,
									  Snapshot snapshot);

/* Settings journey_orch.batch_size and journey_orch.fan_out_chunk. */
extern int	jo_batch_size;
extern int	jo_fan_out_chunk;

extern void jo_enrollment_init(void);

#endif							/* JO_ENROLLMENT_H */
