/*
 * worker/run.c
 *	  CALL run(): what the workers do, in the caller's session, and settle():
 *	  wait until they have done it.
 *
 * run() is for tests and for servers without workers.  It may be called beside
 * busy workers: a lane is locked for one batch at a time, by whoever gets it.
 * Each batch is a transaction of its own, so run() needs to be called outside
 * a transaction block, and READ COMMITTED because a batch must see what
 * whoever had the lane before has committed.
 *
 * Being a procedure that commits, it cannot carry SET search_path; it runs no
 * SQL of its own, and the rooms below pin the path around theirs.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "tcop/utility.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "capture/capture.h"
#include "core/snapshot.h"
#include "core/clock.h"
#include "core/leaf.h"
#include "worker/internal.h"
#include "worker/process.h"

/* settle() looks again after 1 ms, 2 ms, ... at most this. */
#define SETTLE_POLL_MAX_MS 10

PG_FUNCTION_INFO_V1(journey_orch_run);
PG_FUNCTION_INFO_V1(journey_orch_settle);

/* Raise unless the call may commit, and what it commits will be right. */
static void
ensure_may_run(FunctionCallInfo fcinfo)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("journey_orch.run() cannot run inside a transaction block"),
				 errdetail("It commits after each batch."),
				 errhint("CALL it as a statement of its own, or use journey_orch.run_here().")));
	if (XactIsoLevel != XACT_READ_COMMITTED)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("journey_orch.run() needs isolation level READ COMMITTED"),
				 errhint("SET default_transaction_isolation = 'read committed' before the CALL.")));
	PreventCommandIfReadOnly("CALL journey_orch.run()");
	PreventCommandDuringRecovery("CALL journey_orch.run()");
}

/* Where an error came from. */
static void
describe_lane(void *argument)
{
	errcontext("while advancing lane %d", *(int *) argument);
}

static void
carry_out(const JoBatchOrder *order, JoBatchResult *result)
{
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	if (jo_worker_batch(get_extension_oid("journey_orch", false), true,
						order, result) != JO_LANE_DONE)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"journey_orch\" does not exist any more")));
}

/*
 * The same in a subtransaction, so that the call survives it.  False: the
 * batch has failed, was rolled back, and shall be done carefully.
 */
static bool
try_order(const JoBatchOrder *order, JoBatchResult *result)
{
	MemoryContext caller = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool is_done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(caller);
	PG_TRY();
	{
		carry_out(order, result);
		ReleaseCurrentSubTransaction();
		is_done = true;
	}
	PG_CATCH();
	{
		ErrorData  *edata;
		bool		helps;

		MemoryContextSwitchTo(caller);
		edata = CopyErrorData();
		helps = jo_careful_helps(edata);
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller);
		CurrentResourceOwner = owner;
		if (!helps)
			ReThrowError(edata);
		jo_careful_report(order->lane, edata);
		FreeErrorData(edata);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(caller);
	CurrentResourceOwner = owner;
	return is_done;
}

/*
 * One batch of a lane in the current transaction, which is then committed
 * without waiting for the disk: a lost batch is done again.  "careful": how
 * many inputs of the lane are still to be taken carefully.
 */
static void
run_batch(int lane, TimestampTz until, int *careful, JoBatchResult *result)
{
	JoBatchOrder order = {.lane = lane,.limit = jo_batch_size,.until = until};
	ErrorContextCallback context;

	context.callback = describe_lane;
	context.arg = &lane;
	context.previous = error_context_stack;
	error_context_stack = &context;

	if (*careful == 0 && !try_order(&order, result))
	{
		SPI_rollback();
		*careful = jo_batch_size;
	}
	if (*careful > 0)
	{
		order.limit = JO_CAREFUL_LIMIT;
		order.is_careful = true;
		carry_out(&order, result);
		*careful = result->more ?
			Max(0, *careful - Max(1, result->events + result->timers)) : 0;
	}
	SPI_commit();

	error_context_stack = context.previous;
}

/* One chunk of an audience, committed; false when none has to be told. */
static bool
tell_audience(TimestampTz until)
{
	bool		has_worked;

	CHECK_FOR_INTERRUPTS();
	has_worked = jo_worker_fan_out(get_extension_oid("journey_orch", false),
								   true, until, NULL);
	SPI_commit();
	return has_worked;
}

Datum
journey_orch_run(PG_FUNCTION_ARGS)
{
	TimestampTz until = JO_NO_TIME;
	int			budget = PG_ARGISNULL(1) ? -1 : PG_GETARG_INT32(1);
	bool		is_done[JO_LANES] = {false};
	int			careful[JO_LANES] = {0};
	int			open = JO_LANES;
	int			lane;

	ensure_may_run(fcinfo);
	if (!PG_ARGISNULL(0))
		until = PG_GETARG_TIMESTAMPTZ(0);
	if (!PG_ARGISNULL(1) && budget < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("max_batches must be at least 1, not %d", budget)));
	jo_process_ensure_adopted();

	SPI_connect_ext(SPI_OPT_NONATOMIC);

	/* Get rid of the snapshot that the CALL brought. */
	SPI_commit();

	while (budget != 0)
	{
		if (open == 0)
		{
			if (!tell_audience(until))
				break;
			memset(is_done, 0, sizeof(is_done));
			open = JO_LANES;
			budget -= budget > 0;
		}
		for (lane = 0; lane < JO_LANES && budget != 0; lane++)
		{
			JoBatchResult result;

			if (is_done[lane])
				continue;
			CHECK_FOR_INTERRUPTS();
			run_batch(lane, until, &careful[lane], &result);
			if (budget > 0 &&
				result.events + result.timers + result.advances > 0)
				budget--;
			if (result.called)
			{
				memset(is_done, 0, sizeof(is_done));
				open = JO_LANES;
			}
			if (!result.more)
			{
				is_done[lane] = true;
				open--;
			}
		}
	}

	SPI_finish();
	PG_RETURN_NULL();
}

/*
 * Has the lane applied every event that was committed when "upto" was taken,
 * and looked at every timer due at "clock"?
 */
static bool
is_settled(int lane, const JoSnapshot *upto, TimestampTz clock)
{
	Snapshot	now;
	bool		result;

	now = RegisterSnapshot(GetLatestSnapshot());
	result = jo_lane_has_applied(lane, upto, now);
	if (result)
	{
		JoLaneCursor cursor;
		TimestampTz next_timer;

		jo_lane_cursor_read(lane, now, &cursor);
		next_timer = jo_lane_next_timer(&cursor, now);
		result = next_timer == JO_NO_TIME || next_timer > clock;
	}
	UnregisterSnapshot(now);

	return result;
}

/*
 * Wait for the workers; false when "deadline" passed before every lane had
 * done what was there at the call.
 */
static bool
await_lanes(TimestampTz deadline)
{
	JoSnapshot	upto;
	TimestampTz clock = jo_clock_now();
	Snapshot	snapshot;
	int			lane = 0;
	long		poll_ms = 1;

	/* Uncommitted events, also our own, are not finished in it. */
	snapshot = RegisterSnapshot(GetLatestSnapshot());
	jo_snapshot_take(snapshot, &upto);
	UnregisterSnapshot(snapshot);

	while (lane < JO_LANES)
	{
		CHECK_FOR_INTERRUPTS();
		if (is_settled(lane, &upto, clock))
		{
			lane++;
			continue;
		}
		if (GetCurrentTimestamp() >= deadline)
			return false;
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 poll_ms, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		poll_ms = Min(poll_ms * 2, SETTLE_POLL_MAX_MS);
	}

	return true;
}

/* The timeout of settle(), in microseconds. */
static int64
read_timeout(FunctionCallInfo fcinfo)
{
	Interval	zero = {0};
	Interval	longest = {.day = 1};
	const Interval *interval;
	Datum		timeout;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("timeout must not be null")));
	timeout = PG_GETARG_DATUM(0);
	if (DatumGetBool(DirectFunctionCall2(interval_lt, timeout,
										 IntervalPGetDatum(&zero))) ||
		DatumGetBool(DirectFunctionCall2(interval_gt, timeout,
										 IntervalPGetDatum(&longest))))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("timeout must be between zero and one day, not %s",
						DatumGetCString(DirectFunctionCall1(interval_out,
															timeout))),
				 errhint("Pass how long to wait at most, such as '10 seconds'; it counts in real time.")));
	interval = DatumGetIntervalP(timeout);
	return interval->time + (interval->day +
							 (int64) interval->month * DAYS_PER_MONTH) *
		USECS_PER_DAY;
}

/* The same, and until every audience was told and those told have entered. */
static bool
await_everything(TimestampTz deadline)
{
	long		poll_ms = 1;

	for (;;)
	{
		if (!await_lanes(deadline))
			return false;
		if (!jo_fan_out_is_open())
			return true;
		while (jo_fan_out_is_open())
		{
			CHECK_FOR_INTERRUPTS();
			if (GetCurrentTimestamp() >= deadline)
				return false;
			(void) WaitLatch(MyLatch,
							 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
							 poll_ms, PG_WAIT_EXTENSION);
			ResetLatch(MyLatch);
			poll_ms = Min(poll_ms * 2, SETTLE_POLL_MAX_MS);
		}
	}
}

Datum
journey_orch_settle(PG_FUNCTION_ARGS)
{
	int64		timeout = read_timeout(fcinfo);

	jo_process_ensure_adopted();
	if (!jo_leaf_exists())
		PG_RETURN_BOOL(true);

	PG_RETURN_BOOL(await_everything(GetCurrentTimestamp() + timeout));
}
