/*
 * worker/supervisor.c
 *	  One process a database: keeps its lane workers alive.
 *
 * Looks whether the extension is installed, of the library's version, and not
 * in a copy that nobody adopted; if not, it leaves its verdict and ends.  Then
 * it starts journey_orch.workers lane workers, gives each its lanes, and starts
 * again what ends, later and later while it keeps ending.  When not all of
 * them can be started, the lanes are shared among those that run.
 *
 * Two supervisors of one database cannot be: a session-level lock is held
 * besides the slot in shared memory.  What it knows is in the JoDatabase; when
 * the supervisor ends, for whatever reason but a crash of the server, it takes
 * its workers with it (supervisor_exit).
 *
 * Without preload it is started by start_worker(), keeps the JoDatabase in a
 * dynamic segment, and SIGTERM ends it for good; after a crash of the server
 * the postmaster starts it again.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/spin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "worker/internal.h"
#include "worker/process.h"
#include "worker/worker.h"

#define COMPLAINT_INTERVAL_MS (60 * 1000)

/* A worker that lived this long did not fail at its start. */
#define HEALTHY_AFTER_MS (60 * 1000)

/* How long to sleep when nothing is due: everything else rings. */
#define SLEEP_MS (60 * 1000)

PGDLLEXPORT void journey_orch_supervisor_main(Datum argument);

/* One lane worker as its supervisor sees it. */
typedef struct Child
{
	BackgroundWorkerHandle *handle; /* NULL: none registered */
	TimestampTz started_at;
	TimestampTz retry_at;
	int			failures;
} Child;

static JoDatabase *database = NULL;
static JoProcessArguments arguments;
static Child children[JO_WORKERS_MAX];
static JoSupervisorState exit_state = JO_SUPERVISOR_FAILED;
static char exit_reason[JO_WORKER_ERROR_LENGTH];

static TimestampTz register_retry_at = 0;
static int	register_failures = 0;
static TimestampTz last_complaint_at = 0;

/*
 * Runs on every way out but a crash: stop the workers, say what became of us,
 * and let the launcher know.
 */
static void
supervisor_exit(int code, Datum argument)
{
	int			i;

	for (i = 0; i < JO_WORKERS_MAX; i++)
	{
		if (children[i].handle != NULL)
			TerminateBackgroundWorker(children[i].handle);
	}

	pg_atomic_write_u32(&database->supervisor_procno, 0);
	SpinLockAcquire(&database->mutex);
	database->supervisor_pid = 0;
	database->wanted = 0;
	if (database->must_stop)
		exit_state = JO_SUPERVISOR_STOPPED;
	database->state = exit_state;
	if (exit_state == JO_SUPERVISOR_FAILED)
	{
		database->failures++;
		database->retry_at =
			TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
										jo_worker_backoff(database->failures));
	}
	strlcpy(database->last_error, exit_reason, JO_WORKER_ERROR_LENGTH);
	SpinLockRelease(&database->mutex);
	jo_worker_wake_launcher();
}

/* End with this verdict.  Status 0, so that a supervisor that was started
 * without preload is not started again. */
static void
leave(JoSupervisorState state, const char *reason)
{
	exit_state = state;
	strlcpy(exit_reason, reason, sizeof(exit_reason));
	proc_exit(0);
}

/*
 * Find the slot of the database, or make one in a dynamic segment that lives
 * as long as this process and its workers.
 */
static void
attach_database(void)
{
	dsm_segment *segment;

	database = jo_worker_database_find(arguments.dboid);
	if (database == NULL)
	{
		if (jo_worker_area != NULL)
			proc_exit(0);
		segment = dsm_create(sizeof(JoDatabase), 0);
		dsm_pin_mapping(segment);
		arguments.segment = dsm_segment_handle(segment);
		database = dsm_segment_address(segment);
		SpinLockInit(&database->mutex);
		jo_worker_database_reset(database, arguments.dboid,
								 JO_SUPERVISOR_STARTING);
	}

	SpinLockAcquire(&database->mutex);
	database->supervisor_pid = MyProcPid;
	SpinLockRelease(&database->mutex);
	pg_atomic_write_u32(&database->supervisor_procno, MyProc->pgprocno + 1);
	before_shmem_exit(supervisor_exit, 0);
}

/* Look at the extension, and leave unless all is well. */
static void
check_extension(void)
{
	JoExtensionCheck check;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	jo_process_check_extension(&check);
	CommitTransactionCommand();

	if (check.verdict == JO_SUPERVISOR_RUNNING)
		return;
	if (check.verdict != JO_SUPERVISOR_ABSENT)
		ereport(LOG,
				(errmsg("journey_orch starts no workers for database %u",
						arguments.dboid),
				 errdetail_internal("%s.", check.reason)));
	leave(check.verdict, check.reason);
}

/* Be the only supervisor of this database until the process ends. */
static void
lock_database(void)
{
	bool		is_mine;

	StartTransactionCommand();
	is_mine = jo_lock_session_conditional(JO_LOCK_SUPERVISOR, 0);
	CommitTransactionCommand();
	if (!is_mine)
		leave(JO_SUPERVISOR_FAILED, "another supervisor is running");
}

/* Forget the workers that ended, and plan their next start.  True if one did:
 * it may be that the extension is gone. */
static bool
reap_workers(TimestampTz now)
{
	bool		found = false;
	int			i;

	for (i = 0; i < JO_WORKERS_MAX; i++)
	{
		Child	   *child = &children[i];
		bool		has_left;
		pid_t		pid;

		if (child->handle == NULL ||
			GetBackgroundWorkerPid(child->handle, &pid) != BGWH_STOPPED)
			continue;

		pfree(child->handle);
		child->handle = NULL;
		found = true;

		SpinLockAcquire(&database->mutex);
		has_left = database->worker[i].left;
		database->worker[i].left = false;
		SpinLockRelease(&database->mutex);
		if (has_left || TimestampDifferenceExceeds(child->started_at, now,
												   HEALTHY_AFTER_MS))
			child->failures = 0;
		if (has_left)
			continue;
		child->failures++;
		child->retry_at =
			TimestampTzPlusMilliseconds(now,
										jo_worker_backoff(child->failures));
	}

	return found;
}

/* No slot of max_worker_processes is free: say so and try later. */
static void
complain_about_slots(TimestampTz now, int running)
{
	register_failures++;
	register_retry_at =
		TimestampTzPlusMilliseconds(now, jo_worker_backoff(register_failures));

	SpinLockAcquire(&database->mutex);
	snprintf(database->last_error, JO_WORKER_ERROR_LENGTH,
			 "only %d of %d workers run: no background worker slot is free, increase max_worker_processes",
			 running, jo_workers);
	SpinLockRelease(&database->mutex);

	if (last_complaint_at != 0 &&
		!TimestampDifferenceExceeds(last_complaint_at, now,
									COMPLAINT_INTERVAL_MS))
		return;
	last_complaint_at = now;
	ereport(WARNING,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("could not start journey_orch worker %d of %d in database %u",
					running + 1, jo_workers, arguments.dboid),
			 errdetail("No background worker slot is free."),
			 errhint("Increase max_worker_processes or lower journey_orch.workers.")));
}

/*
 * Start what is missing and stop what is too many.  Returns the milliseconds
 * until the next try is due.
 */
static long
adjust_workers(TimestampTz now)
{
	long		wait_ms = SLEEP_MS;
	int			running = 0;
	int			i;

	for (i = 0; i < JO_WORKERS_MAX; i++)
	{
		if (children[i].handle != NULL && i < jo_workers)
			running++;
		else if (children[i].handle != NULL)
			TerminateBackgroundWorker(children[i].handle);
	}

	for (i = 0; i < jo_workers; i++)
	{
		Child	   *child = &children[i];
		TimestampTz retry_at = Max(child->retry_at, register_retry_at);

		if (child->handle != NULL)
			continue;
		if (retry_at > now)
		{
			wait_ms = Min(wait_ms,
						  TimestampDifferenceMilliseconds(now, retry_at));
			continue;
		}

		arguments.worker = i;
		arguments.supervisor = MyProcPid;
		if (!jo_process_register(JO_WORKER_TYPE, "journey_orch_worker_main",
								 &arguments, BGW_NEVER_RESTART,
								 &child->handle))
		{
			child->handle = NULL;
			complain_about_slots(now, running);
			return Min(wait_ms, jo_worker_backoff(register_failures));
		}
		child->started_at = now;
		running++;
	}

	if (running == jo_workers && register_failures > 0)
	{
		register_failures = 0;
		SpinLockAcquire(&database->mutex);
		database->last_error[0] = '\0';
		SpinLockRelease(&database->mutex);
	}
	return wait_ms;
}

/*
 * Share the lanes among the workers that are there, in order of their index:
 * with all n of them lane l belongs to worker l % n.  A lane that changes
 * hands counts as having news.
 */
static void
assign_lanes(void)
{
	int			present[JO_WORKERS_MAX];
	int			count = 0;
	int			i;

	for (i = 0; i < JO_WORKERS_MAX; i++)
	{
		if (children[i].handle != NULL && i < jo_workers &&
			pg_atomic_read_u32(&database->worker[i].procno) != 0)
			present[count++] = i;
	}

	for (i = 0; i < JO_LANES; i++)
	{
		uint32		owner = count > 0 ? present[i % count] + 1 : 0;

		if (pg_atomic_read_u32(&database->lane_owner[i]) == owner)
			continue;
		pg_atomic_write_u32(&database->lane_owner[i], owner);
		pg_atomic_exchange_u32(&database->lane_pending[i], 1);
		if (owner != 0)
			jo_worker_wake(&database->worker[owner - 1].procno);
	}

	SpinLockAcquire(&database->mutex);
	database->wanted = jo_workers;
	if (count == jo_workers)
		database->failures = 0;
	SpinLockRelease(&database->mutex);
}

static bool
take_must_check(void)
{
	bool		result;

	SpinLockAcquire(&database->mutex);
	result = database->must_check;
	database->must_check = false;
	SpinLockRelease(&database->mutex);

	return result;
}

void
journey_orch_supervisor_main(Datum argument)
{
	jo_process_begin(SignalHandlerForShutdownRequest);
	jo_process_arguments(&arguments);
	attach_database();
	jo_process_connect(&arguments);
	check_extension();
	lock_database();

	SpinLockAcquire(&database->mutex);
	database->state = JO_SUPERVISOR_RUNNING;
	SpinLockRelease(&database->mutex);
	jo_worker_wake_launcher();

	for (;;)
	{
		TimestampTz now;
		long		wait_ms;
		bool		must_check;

		(void) jo_process_interrupts();
		if (ShutdownRequestPending)
			leave(JO_SUPERVISOR_UNKNOWN, "");

		now = GetCurrentTimestamp();
		must_check = take_must_check();
		if (reap_workers(now) || must_check)
			check_extension();
		wait_ms = adjust_workers(now);
		assign_lanes();

		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 wait_ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}
