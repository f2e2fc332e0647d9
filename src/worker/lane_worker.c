/*
 * worker/lane_worker.c
 *	  The loop that advances lanes: look which lane has news, run a batch of it,
 *	  commit, sleep.
 *
 * A lane has news when its pending flag is set, when its last batch left more
 * to do, when its next timer is due by the real clock, or when it has not been
 * looked at for journey_orch.poll_interval.  Under a virtual clock timers
 * become due only when the clock is changed, and that rings every lane.  Lanes
 * are taken in turn, one batch each, so that a busy lane delays the others by
 * one batch.
 *
 * An error ends the batch and nothing else: the transaction is rolled back.
 * When a customer may be to blame the lane goes on at once, carefully
 * (enrollment/careful.c), until it is past what the failed batch had.  Else,
 * and when a careful batch fails too, it waits, longer each time up to a
 * minute, and its next batch is smaller; the other lanes go on.  One line a
 * minute and lane goes to the log.
 * A crash at any point leaves the lane at its last commit (README.md, "What a
 * crash leaves").
 *
 * Knows no journey, no event and no message: everything that a batch does is
 * in the enrollment room.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/spin.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include "core/clock.h"
#include "core/upkeep.h"
#include "worker/internal.h"
#include "worker/process.h"
#include "worker/worker.h"

/* Events of the first batch of a lane that was idle. */
#define SMALLEST_BATCH 64

/* How often the open audiences are looked at without being rung. */
#define FAN_OUT_INTERVAL_MS 60000

/* When somebody else holds the lane, look again after this. */
#define TAKEN_RETRY_MS 20

#define COMPLAINT_INTERVAL_MS (60 * 1000)

/* How often upkeep is looked at. */
#define UPKEEP_INTERVAL_MS 60000

PGDLLEXPORT void journey_orch_worker_main(Datum argument);

/* What this worker knows of one lane. */
typedef struct LaneWork
{
	TimestampTz look_at;		/* when to look next without being rung */
	TimestampTz retry_at;		/* not before this; 0: now */
	TimestampTz complained_at;	/* in the log, of an error */
	TimestampTz cared_at;		/* in the log, that care was needed */
	int			limit;			/* events of the next batch */
	int			failures;		/* in a row */
	int			careful;		/* inputs still to be taken carefully; 0: go
								 * on as usual */
} LaneWork;

static JoDatabase *database = NULL;
static JoWorkerSlot *slot = NULL;
static JoProcessArguments arguments;
static Oid	extension = InvalidOid;
static LaneWork lanes[JO_LANES];

/* The lane whose batch is running, -1: none, and since when. */
static int	current_lane = -1;
static TimestampTz batch_started_at = 0;

/* Audiences to be told: when to look next, and how often that failed. */
static TimestampTz fan_out_at = 0;
static int	fan_out_failures = 0;
static bool is_fanning_out = false;
static ErrorData *slow_fan_out = NULL;	/* to be given up, with this */

static void
worker_exit(int code, Datum argument)
{
	SpinLockAcquire(&database->mutex);
	if (slot->pid == MyProcPid)
	{
		slot->pid = 0;
		slot->state = JO_WORKER_MISSING;
		slot->failing_lanes = 0;
		slot->careful_lanes = 0;
		pg_atomic_write_u32(&slot->procno, 0);
	}
	SpinLockRelease(&database->mutex);
	jo_worker_wake(&database->supervisor_procno);
	jo_worker_wake_launcher();
}

/* Find the slot that the supervisor meant for us, and take it. */
static void
attach_slot(void)
{
	bool		is_orphan;

	if (arguments.segment == DSM_HANDLE_INVALID)
		database = jo_worker_database_find(arguments.dboid);
	else
	{
		dsm_segment *segment = dsm_attach(arguments.segment);

		if (segment != NULL)
		{
			dsm_pin_mapping(segment);
			database = dsm_segment_address(segment);
		}
	}
	if (database == NULL)
		proc_exit(0);

	slot = &database->worker[arguments.worker];
	SpinLockAcquire(&database->mutex);
	is_orphan = database->supervisor_pid != arguments.supervisor;
	if (!is_orphan)
	{
		slot->pid = MyProcPid;
		slot->state = JO_WORKER_IDLE;
		slot->left = false;
		slot->failing_lanes = 0;
		slot->careful_lanes = 0;
		slot->started_at = GetCurrentTimestamp();
	}
	SpinLockRelease(&database->mutex);
	if (is_orphan)
		proc_exit(0);
	before_shmem_exit(worker_exit, 0);
}

static void
set_state(JoWorkerState state)
{
	SpinLockAcquire(&database->mutex);
	slot->state = state == JO_WORKER_IDLE && slot->failing_lanes != 0 ?
		JO_WORKER_FAILING : state;
	SpinLockRelease(&database->mutex);
}

/* A batch of the lane has ended well. */
static void
note_success(int lane, const JoBatchResult *result)
{
	LaneWork   *work = &lanes[lane];
	TimestampTz now = GetCurrentTimestamp();
	int			inputs = result->events + result->timers;

	work->careful = result->more ? Max(0, work->careful - Max(1, inputs)) : 0;

	SpinLockAcquire(&database->mutex);
	slot->failing_lanes &= ~((uint32) 1 << lane);
	if (work->careful == 0)
		slot->careful_lanes &= ~((uint32) 1 << lane);
	if (inputs + result->advances > 0)
	{
		slot->batches++;
		slot->last_batch_at = now;
	}
	SpinLockRelease(&database->mutex);
	work->failures = 0;
	work->retry_at = 0;
}

/* Is it time for a line in the log, the last of its kind being of "last"? */
static bool
may_complain(TimestampTz *last, TimestampTz now)
{
	if (*last != 0 &&
		!TimestampDifferenceExceeds(*last, now, COMPLAINT_INTERVAL_MS))
		return false;
	*last = now;
	return true;
}

/*
 * A batch has failed in a way that a careful one may survive: go on at once.
 * The message may quote what a customer wrote, so only the SQLSTATE is told.
 */
static void
begin_care(int lane, const ErrorData *error, TimestampTz now)
{
	LaneWork   *work = &lanes[lane];

	work->careful = work->limit;
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		work->limit = Max(1, work->limit / 2);
	work->retry_at = 0;
	work->look_at = now;

	SpinLockAcquire(&database->mutex);
	slot->careful_lanes |= (uint32) 1 << lane;
	slot->last_error_at = now;
	snprintf(slot->last_error, JO_WORKER_ERROR_LENGTH,
			 "lane %d: SQLSTATE %s in %s()", lane,
			 unpack_sql_state(error->sqlerrcode),
			 error->funcname ? error->funcname : "?");
	SpinLockRelease(&database->mutex);
	if (may_complain(&work->cared_at, now))
		jo_careful_report(lane, error);
}

/*
 * Report the error of a batch and plan the lane's next try.  A cancel by an
 * operator is not the lane's fault: it is tried again after one second.
 */
static void
note_failure(int lane, TimestampTz now)
{
	LaneWork   *work = &lanes[lane];
	ErrorData  *error;
	char		message[JO_WORKER_ERROR_LENGTH];
	bool		is_cancel;
	bool		is_timeout;
	int			wait_ms;

	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	is_timeout = error->sqlerrcode == ERRCODE_QUERY_CANCELED &&
		jo_batch_timeout > 0 &&
		TimestampDifferenceExceeds(batch_started_at, now, jo_batch_timeout);
	if (work->careful == 0 && (is_timeout || jo_careful_helps(error)))
	{
		begin_care(lane, error, now);
		FreeErrorData(error);
		return;
	}
	snprintf(message, sizeof(message), "lane %d: %s", lane,
			 error->message ? error->message : "unknown error");

	/* Our own timeout raises the same code as an operator. */
	is_cancel = error->sqlerrcode == ERRCODE_QUERY_CANCELED && !is_timeout;
	if (!is_cancel)
	{
		work->failures++;
		work->limit = Max(1, work->limit / 2);
	}
	wait_ms = is_cancel ? 1000 : jo_worker_backoff(work->failures);
	work->retry_at = TimestampTzPlusMilliseconds(now, wait_ms);
	work->look_at = work->retry_at;

	SpinLockAcquire(&database->mutex);
	if (!is_cancel)
		slot->failing_lanes |= (uint32) 1 << lane;
	slot->last_error_at = now;
	strlcpy(slot->last_error, message, JO_WORKER_ERROR_LENGTH);
	SpinLockRelease(&database->mutex);

	if (may_complain(&work->complained_at, now))
		EmitErrorReport();
	FreeErrorData(error);
}

/* Where an error came from, for the log. */
static void
describe_lane(void *argument)
{
	if (current_lane >= 0)
		errcontext("while advancing lane %d", current_lane);
}

/*
 * What a call step has locked with pg_advisory_lock() would stay locked as long
 * as this process lives, and every other worker would wait for it.  A worker of
 * lanes has no such lock of its own.
 */
static void
release_session_locks(void)
{
	LockReleaseSession(USER_LOCKMETHOD);
}

/*
 * Run one batch of a lane in a transaction of its own, and plan when to look
 * at it again.
 */
static void
advance_lane(int lane, TimestampTz now)
{
	LaneWork   *work = &lanes[lane];
	JoBatchOrder order = {.lane = lane,.limit = work->limit,.until = JO_NO_TIME};
	JoBatchResult result;
	JoLaneOutcome outcome;
	bool		is_virtual = true;

	/* Before the snapshot: what it will not see rings again. */
	pg_atomic_exchange_u32(&database->lane_pending[lane], 0);
	current_lane = lane;
	batch_started_at = GetCurrentTimestamp();
	set_state(JO_WORKER_BUSY);

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (jo_batch_timeout > 0)
		enable_timeout_after(STATEMENT_TIMEOUT, jo_batch_timeout);
	pgstat_report_activity(STATE_RUNNING, "journey_orch batch");

	if (work->careful > 0)
	{
		order.limit = JO_CAREFUL_LIMIT;
		order.is_careful = true;
		order.timeout_ms = jo_batch_timeout;
	}
	outcome = jo_worker_batch(extension, false, &order, &result);
	if (outcome == JO_LANE_DONE && result.next_due != JO_NO_TIME)
		is_virtual = jo_clock().is_virtual;

	disable_timeout(STATEMENT_TIMEOUT, false);
	CommitTransactionCommand();
	release_session_locks();
	current_lane = -1;
	(void) pgstat_report_stat(false);

	if (outcome == JO_LANE_GONE)
	{
		SpinLockAcquire(&database->mutex);
		slot->left = true;
		SpinLockRelease(&database->mutex);
		proc_exit(0);
	}
	if (outcome == JO_LANE_TAKEN)
	{
		work->look_at = TimestampTzPlusMilliseconds(now, TAKEN_RETRY_MS);
		return;
	}

	note_success(lane, &result);
	if (result.fans_out)
		fan_out_at = 0;
	work->look_at = TimestampTzPlusMilliseconds(now, jo_poll_interval);
	if (result.more)
	{
		if (!order.is_careful)
			work->limit = Min(work->limit * 2, jo_batch_size);
		work->look_at = now;
	}
	else
	{
		work->limit = Max(work->limit / 2, Min(SMALLEST_BATCH, jo_batch_size));
		if (result.next_due != JO_NO_TIME && !is_virtual)
			work->look_at = Min(work->look_at,
								Max(result.next_due,
									TimestampTzPlusMilliseconds(now, 1)));
	}
}

/*
 * An audience could not be told for a reason that is not its own: try again
 * later.  One that takes longer than a batch may is given up, for it would
 * again.
 */
static void
note_fan_out_failure(TimestampTz now)
{
	ErrorData  *error;

	MemoryContextSwitchTo(TopMemoryContext);
	error = CopyErrorData();
	EmitErrorReport();
	is_fanning_out = false;
	fan_out_at = TimestampTzPlusMilliseconds(now,
											 jo_worker_backoff(++fan_out_failures));
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED && jo_batch_timeout > 0 &&
		TimestampDifferenceExceeds(batch_started_at, now, jo_batch_timeout))
	{
		if (slow_fan_out != NULL)
			FreeErrorData(slow_fan_out);
		slow_fan_out = error;
	}
	else
		FreeErrorData(error);
}

/* After an error: get back to a clean state between two batches. */
static void
recover(void)
{
	TimestampTz now = GetCurrentTimestamp();

	error_context_stack = NULL;
	HOLD_INTERRUPTS();
	disable_all_timeouts(false);
	if (current_lane >= 0)
		note_failure(current_lane, now);
	else if (is_fanning_out)
		note_fan_out_failure(now);
	else
		EmitErrorReport();
	current_lane = -1;

	QueryCancelPending = false;
	AbortCurrentTransaction();
	release_session_locks();
	MemoryContextSwitchTo(TopMemoryContext);
	FlushErrorState();
	pgstat_report_activity(STATE_IDLE, NULL);
	RESUME_INTERRUPTS();
}

/*
 * Give each of our lanes that has news one batch.  Returns the milliseconds to
 * sleep: 0 when there is more to do.
 */
static long
advance_lanes(void)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz wake_at = TimestampTzPlusMilliseconds(now, jo_poll_interval);
	int			lane;

	for (lane = 0; lane < JO_LANES; lane++)
	{
		LaneWork   *work = &lanes[lane];
		TimestampTz look_at;

		if (pg_atomic_read_u32(&database->lane_owner[lane]) !=
			(uint32) arguments.worker + 1)
			continue;

		look_at = work->look_at;
		if (pg_atomic_read_u32(&database->lane_pending[lane]) != 0)
			look_at = 0;
		look_at = Max(look_at, work->retry_at);
		if (look_at <= now)
		{
			(void) jo_process_interrupts();
			advance_lane(lane, now);
			look_at = work->look_at;
			if (pg_atomic_read_u32(&database->lane_pending[lane]) != 0)
				look_at = 0;
			look_at = Max(look_at, work->retry_at);
		}
		wake_at = Min(wake_at, look_at);
	}

	now = GetCurrentTimestamp();
	return wake_at <= now ? 0 : TimestampDifferenceMilliseconds(now, wake_at);
}

/*
 * Tell the next customers of an audience to enter, in a transaction of its own.
 * The worker whose batch has met the event comes at once, one of the others
 * once a minute: the first may have been killed.  True: there may be more.
 */
static bool
tell_audience(void)
{
	TimestampTz now = GetCurrentTimestamp();
	bool		has_worked;

	if (now < fan_out_at)
		return false;
	is_fanning_out = true;
	batch_started_at = now;
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (jo_batch_timeout > 0)
		enable_timeout_after(STATEMENT_TIMEOUT, jo_batch_timeout);
	pgstat_report_activity(STATE_RUNNING, "journey_orch audience");
	has_worked = jo_worker_fan_out(extension, false, JO_NO_TIME,
								   slow_fan_out);
	disable_timeout(STATEMENT_TIMEOUT, false);
	CommitTransactionCommand();
	(void) pgstat_report_stat(false);
	is_fanning_out = false;
	fan_out_failures = 0;
	if (slow_fan_out != NULL)
	{
		FreeErrorData(slow_fan_out);
		slow_fan_out = NULL;
	}
	if (!has_worked)
		fan_out_at = arguments.worker == 0 ?
			TimestampTzPlusMilliseconds(now, FAN_OUT_INTERVAL_MS) : DT_NOEND;
	return has_worked;
}

/*
 * Upkeep, by one worker of the database, once a minute and again at once while
 * there is more to do.  It never waits for a lane, so it may run beside the
 * other workers' batches.
 */
static void
keep_up(void)
{
	static TimestampTz next_at = 0;
	TimestampTz now = GetCurrentTimestamp();
	bool		more;

	if (arguments.worker != 0 || now < next_at)
		return;
	/* first, so that an error comes back once a minute */
	next_at = TimestampTzPlusMilliseconds(now, UPKEEP_INTERVAL_MS);

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (jo_batch_timeout > 0)
		enable_timeout_after(STATEMENT_TIMEOUT, jo_batch_timeout);
	pgstat_report_activity(STATE_RUNNING, "journey_orch upkeep");
	more = jo_maintain(NULL, NULL);
	disable_timeout(STATEMENT_TIMEOUT, false);
	CommitTransactionCommand();
	(void) pgstat_report_stat(false);
	if (more)
		next_at = now;
}

/* Everything before the first batch: who we are, what we serve. */
static void
begin(void)
{
	int			lane;

	jo_process_begin(die);
	jo_process_arguments(&arguments);
	attach_slot();
	jo_process_connect(&arguments);

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	extension = get_extension_oid("journey_orch", true);
	CommitTransactionCommand();
	if (!OidIsValid(extension))
		proc_exit(0);

	for (lane = 0; lane < JO_LANES; lane++)
		lanes[lane].limit = Min(SMALLEST_BATCH, jo_batch_size);

	/* From now on the supervisor gives us lanes and others ring us. */
	pg_atomic_write_u32(&slot->procno, MyProc->pgprocno + 1);
	jo_worker_wake(&database->supervisor_procno);
}

void
journey_orch_worker_main(Datum argument)
{
	sigjmp_buf	on_error;
	ErrorContextCallback context;

	begin();

	if (sigsetjmp(on_error, 1) != 0)
		recover();
	PG_exception_stack = &on_error;

	context.callback = describe_lane;
	context.arg = NULL;
	context.previous = NULL;

	for (;;)
	{
		long		wait_ms;

		error_context_stack = NULL;
		(void) jo_process_interrupts();
		error_context_stack = &context;
		wait_ms = advance_lanes();
		error_context_stack = NULL;
		if (tell_audience())
			wait_ms = 0;
		keep_up();
		if (wait_ms == 0)
			continue;

		set_state(JO_WORKER_IDLE);
		pgstat_report_stat(true);
		pgstat_report_activity(STATE_IDLE, NULL);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 wait_ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}
