/*
 * worker/internal.h
 *	  What the files of the room call of each other.
 */
#ifndef JO_WORKER_INTERNAL_H
#define JO_WORKER_INTERNAL_H

#include "enrollment/enrollment.h"
#include "worker/shared.h"

/* launcher.c */
extern void jo_worker_launcher_register(void);

/* database.c */
extern void jo_worker_database_init(void);

/* Tell the supervisor of the database, if there is one, to end. */
extern void jo_worker_terminate(JoDatabase *database);

/* The same, until nothing of ours runs there; false when that took too long. */
extern bool jo_worker_await_end(JoDatabase *database, int timeout_ms);

/* control.c */
extern void jo_worker_control_init(void);

/* Pids of the processes of this type in this database, at most "size" of them;
 * returns how many there are. */
extern int	jo_worker_find_processes(const char *type, pid_t *pids, int size);

/* batch.c */
typedef enum JoLaneOutcome
{
	JO_LANE_DONE,				/* a batch ran, or there was nothing to do */
	JO_LANE_TAKEN,				/* somebody else advances the lane now */
	JO_LANE_GONE				/* the extension is not the one it was */
} JoLaneOutcome;

/*
 * Run one batch of a lane in the current transaction, which has no active
 * snapshot.  "extension" is the OID that must still be installed.  With
 * "wait" the lane's lock is waited for.
 */
extern JoLaneOutcome jo_worker_batch(Oid extension, bool wait,
									 const JoBatchOrder *order,
									 JoBatchResult *result);

/*
 * The same for one chunk of an audience; false when there was none.  First,
 * unless "given_up" is NULL, the last one ends with that error.
 */
extern bool jo_worker_fan_out(Oid extension, bool wait, TimestampTz until,
							  const ErrorData *given_up);

/* Most events of a careful batch: so few that a customer who takes long
 * delays nobody's commit. */
#define JO_CAREFUL_LIMIT 1

#endif							/* JO_WORKER_INTERNAL_H */
