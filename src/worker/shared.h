/*
 * worker/shared.h
 *	  What the launcher, the supervisors, the lane workers and every committing
 *	  backend share, field by field with its lock (see shared.c).
 */
#ifndef JO_WORKER_SHARED_H
#define JO_WORKER_SHARED_H

#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/s_lock.h"

#include "core/lane.h"

/* Most lane workers of a database: one a lane. */
#define JO_WORKERS_MAX JO_LANES

#define JO_WORKER_ERROR_LENGTH 256

/* Longest wait between two tries of anything that failed. */
#define JO_BACKOFF_MAX_MS (60 * 1000)

/* What is known of one database.  README.md has the diagram. */
typedef enum JoSupervisorState
{
	JO_SUPERVISOR_UNKNOWN,		/* the launcher shall start a supervisor */
	JO_SUPERVISOR_STARTING,		/* registered, looks at the extension */
	JO_SUPERVISOR_RUNNING,		/* keeps the lane workers alive */
	JO_SUPERVISOR_ABSENT,		/* the extension is not installed */
	JO_SUPERVISOR_MISMATCHED,	/* its version is not the library's */
	JO_SUPERVISOR_COPIED,		/* the database is a copy nobody adopted */
	JO_SUPERVISOR_STOPPED,		/* by stop_worker(), or autostart is off */
	JO_SUPERVISOR_FAILED		/* ended with an error; again at retry_at */
} JoSupervisorState;

/* What one lane worker does now. */
typedef enum JoWorkerState
{
	JO_WORKER_MISSING,			/* no process */
	JO_WORKER_IDLE,				/* sleeps until it is rung or a timer is due */
	JO_WORKER_BUSY,				/* runs a batch */
	JO_WORKER_FAILING			/* at least one of its lanes backs off */
} JoWorkerState;

/* One lane worker.  The worker itself writes everything here, under the
 * database's mutex; others read under it. */
typedef struct JoWorkerSlot
{
	pid_t		pid;			/* 0: no process */
	JoWorkerState state;
	bool		left;			/* the last process here ended because the
								 * extension changed, not because it failed */
	uint32		failing_lanes;	/* bit set of lanes that back off */
	uint32		careful_lanes;	/* of lanes that go one customer at a time */
	int64		batches;
	TimestampTz started_at;
	TimestampTz last_batch_at;	/* 0: none yet */
	TimestampTz last_error_at;	/* 0: none yet */
	char		last_error[JO_WORKER_ERROR_LENGTH];
	pg_atomic_uint32 procno;	/* PGPROC number + 1, 0: none; no lock */
} JoWorkerSlot;

/* One database.  "mutex" protects whatever names no other rule. */
typedef struct JoDatabase
{
	pg_atomic_uint32 dboid;		/* 0: free slot; written under registry_lock,
								 * read without a lock */
	slock_t		mutex;
	JoSupervisorState state;	/* launcher, supervisor, start/stop_worker */
	pid_t		supervisor_pid; /* by the supervisor itself; 0: none */
	int			holds;			/* database commands under way that need it
								 * without our connections (database.c) */
	bool		must_check;		/* set by anyone: look at the extension again;
								 * cleared by the supervisor */
	bool		must_stop;		/* stop_worker(); cleared by start_worker() */
	int			failures;		/* in a row; launcher and supervisor */
	TimestampTz retry_at;		/* of FAILED; 0: at once */
	int			wanted;			/* workers the supervisor wants; supervisor */
	char		last_error[JO_WORKER_ERROR_LENGTH]; /* why there are none or
													 * fewer; supervisor,
													 * launcher */
	pg_atomic_uint32 supervisor_procno; /* PGPROC number + 1, 0: none */
	pg_atomic_uint32 lane_owner[JO_LANES];	/* worker index + 1, 0: nobody;
											 * written by the supervisor */
	pg_atomic_uint32 lane_pending[JO_LANES];	/* 1: the lane got events; set
												 * by committing backends,
												 * cleared by the worker
												 * before its snapshot */
	JoWorkerSlot worker[JO_WORKERS_MAX];
} JoDatabase;

/* The whole area; exists only when the library is preloaded. */
typedef struct JoWorkerArea
{
	LWLock	   *registry_lock;	/* allocation of database slots */
	pg_atomic_uint32 launcher_procno;	/* PGPROC number + 1, 0: none */
	pid_t		launcher_pid;	/* by the launcher; informative */
	int			databases;		/* length of the array; constant */
	JoDatabase	database[FLEXIBLE_ARRAY_MEMBER];
} JoWorkerArea;

/* NULL without preload. */
extern JoWorkerArea *jo_worker_area;

extern void jo_worker_shared_init(void);

/* Make a slot (in shared memory or a DSM segment) that of database "dboid". */
extern void jo_worker_database_reset(JoDatabase *database, Oid dboid,
									 JoSupervisorState state);

/* Slot of a database, or NULL.  Without a lock: the slot may be reused for
 * another database as soon as nothing of ours runs in "dboid". */
extern JoDatabase *jo_worker_database_find(Oid dboid);

/* The same, made with "state" if there is none; NULL when all are taken. */
extern JoDatabase *jo_worker_database_ensure(Oid dboid,
											 JoSupervisorState state);

/*
 * Ask the launcher, or the supervisor that runs, to look at the database
 * again.  "start": also when it was stopped.  NULL when all slots are taken.
 * Until somebody has looked the slot stays this database's.
 */
extern JoDatabase *jo_worker_database_request(Oid dboid, bool start);

/* Free a slot that nobody uses; false when somebody does, or (unless
 * "even_if_requested") asked for it by now. */
extern bool jo_worker_database_release(JoDatabase *database,
									   bool even_if_requested);

/* Set the latch of PGPROC "procno - 1", if there is one. */
extern void jo_worker_wake(pg_atomic_uint32 *procno);

extern void jo_worker_wake_launcher(void);

/* Ring lanes of this database (bit set); a JoLaneRing. */
extern void jo_worker_ring(uint32 lanes);

/* True while a supervisor or a worker of the database is, or is about to be,
 * connected to it. */
extern bool jo_worker_is_active(JoDatabase *database);

/* True while there is a process; the caller holds the mutex. */
extern bool jo_worker_has_processes_locked(JoDatabase *database);

extern const char *jo_supervisor_state_name(JoSupervisorState state);
extern const char *jo_worker_state_name(JoWorkerState state);

/* Milliseconds to wait after the n-th failure in a row (n from 1). */
extern int	jo_worker_backoff(int failures);

#endif							/* JO_WORKER_SHARED_H */
