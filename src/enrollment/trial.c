/*
 * enrollment/trial.c
 *	  run_here(): the engine on trial, inside the caller's transaction.
 *
 * For tests that BEGIN, change rows, advance the clock, look at the outbox and
 * ROLLBACK beside busy workers.  It applies what is pending for the customers
 * that this transaction has touched, with a sink that blocks nobody, and moves
 * no lane.  COMMIT and PREPARE are refused afterwards: the lanes will apply the
 * same events for real, and a committed trial would have done so twice.
 *
 * Which events a trial has applied is remembered per subtransaction, because
 * ROLLBACK TO SAVEPOINT undoes it.
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/errors.h"
#include "core/leaf.h"
#include "enrollment/batch.h"
#include "enrollment/read.h"
#include "enrollment/trial.h"

/* One event applied on trial (seq != 0), or one customer touched. */
typedef struct TrialEntry
{
	SubTransactionId subid;
	int64		seq;
	char	   *customer_id;
} TrialEntry;

/* Of the current transaction, in TopTransactionContext. */
static List *trial_entries = NIL;

static void
refuse_commit(XactEvent event)
{
	if (trial_entries == NIL)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_JO_TRIAL_COMMIT),
			 errmsg("a transaction that called run_here() cannot be %s",
					event == XACT_EVENT_PRE_PREPARE ? "prepared" : "committed"),
			 errdetail("run_here() applies events on trial; the lanes will apply them again."),
			 errhint("ROLLBACK, or run the journeys with CALL journey_orch.run().")));
}

static void
trial_xact_callback(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			refuse_commit(event);
			break;
		default:
			trial_entries = NIL;
			break;
	}
}

/* Forget what a rolled-back savepoint did; hand on what a released one did. */
static void
trial_subxact_callback(SubXactEvent event, SubTransactionId subid,
					   SubTransactionId parent, void *arg)
{
	ListCell   *cell;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	foreach(cell, trial_entries)
	{
		TrialEntry *entry = lfirst(cell);

		if (entry->subid != subid)
			continue;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
			entry->subid = parent;
		else
			trial_entries = foreach_delete_current(trial_entries, cell);
	}
}

static void
remember(int64 seq, const char *customer_id)
{
	MemoryContext caller = MemoryContextSwitchTo(TopTransactionContext);
	TrialEntry *entry = palloc(sizeof(TrialEntry));

	entry->subid = GetCurrentSubTransactionId();
	entry->seq = seq;
	entry->customer_id = pstrdup(customer_id);
	trial_entries = lappend(trial_entries, entry);
	MemoryContextSwitchTo(caller);
}

static bool
is_applied(int64 seq)
{
	ListCell   *cell;

	foreach(cell, trial_entries)
	{
		if (((TrialEntry *) lfirst(cell))->seq == seq)
			return true;
	}
	return false;
}

static bool
is_touched(const char *customer_id)
{
	ListCell   *cell;

	foreach(cell, trial_entries)
	{
		if (jo_streq(((TrialEntry *) lfirst(cell))->customer_id, customer_id))
			return true;
	}
	return false;
}

/*
 * Read what is pending for touched customers: those with an event of this
 * transaction, and those that an earlier trial of it looked at.
 */
static void
read_touched(JoBatch *batch)
{
	FullTransactionId own = GetTopFullTransactionIdIfAny();
	JoEvent    *events;
	int			n = jo_event_pending_read(&batch->cursor, batch->snapshot,
										  &events);
	ListCell   *cell;

	for (int i = 0; i < n; i++)
		if (FullTransactionIdEquals(events[i].xid, own) &&
			events[i].customer_id[0] != '\0' &&
			!is_touched(events[i].customer_id))
			remember(0, events[i].customer_id);

	foreach(cell, trial_entries)
	{
		TrialEntry *entry = lfirst(cell);

		if (jo_lane_of(entry->customer_id,
					   strlen(entry->customer_id)) == batch->lane)
			jo_batch_member(batch, entry->customer_id);
	}
	for (int i = 0; i < n; i++)
	{
		if (!is_touched(events[i].customer_id) || is_applied(events[i].seq))
			continue;
		remember(events[i].seq, events[i].customer_id);
		events[i].instant = Max(events[i].instant, batch->cursor.clock);
		batch->cursor.clock = events[i].instant;
		jo_batch_add_event(batch, &events[i]);
		batch->nevents++;
	}
}

static void
try_lane(JoBatch *batch)
{
	jo_lane_cursor_read(batch->lane, batch->snapshot, &batch->cursor);
	jo_batch_adopt_clock(batch);
	batch->timer_limit = Min(batch->until, batch->clock.now);
	read_touched(batch);
	batch->cursor.batch++;
	jo_batch_read_members(batch);
	jo_batch_compute(batch);
	batch->sink->write(batch);
}

/* Run the touched customers of one lane; returns how many advances.  *called
 * becomes true when calls may have caused events. */
static int
run_lane_here(int lane, TimestampTz until, bool *called)
{
	JoBatch		batch;
	MemoryContext caller = CurrentMemoryContext;
	int			advances;

	jo_batch_begin(&batch, lane, jo_batch_size, until);
	batch.sink = &jo_sink_trial;
	MemoryContextSwitchTo(batch.context);
	jo_batch_with_caches(&batch, try_lane);
	MemoryContextSwitchTo(caller);
	advances = batch.advances;
	*called |= batch.has_called;
	MemoryContextDelete(batch.context);
	return advances;
}

PG_FUNCTION_INFO_V1(journey_orch_run_here);

/* run_here(until timestamptz) returns bigint: advances made on trial. */
Datum
journey_orch_run_here(PG_FUNCTION_ARGS)
{
	TimestampTz until = PG_ARGISNULL(0) ? JO_NO_TIME :
	PG_GETARG_TIMESTAMPTZ(0);
	int64		advances = 0;
	bool		called;

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("run_here() needs a READ COMMITTED transaction")));
	if (!jo_leaf_exists())
		PG_RETURN_INT64(0);
	if (jo_event_cause != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("run_here() cannot be used in a call step")));
	do
	{
		called = false;
		for (int lane = 0; lane < JO_LANES; lane++)
		{
			/* see what this transaction wrote, in earlier lanes too */
			CommandCounterIncrement();
			PushActiveSnapshot(GetLatestSnapshot());
			advances += run_lane_here(lane, until, &called);
			PopActiveSnapshot();
		}
	} while (called);
	CommandCounterIncrement();
	PG_RETURN_INT64(advances);
}

void
jo_trial_init(void)
{
	RegisterXactCallback(trial_xact_callback, NULL);
	RegisterSubXactCallback(trial_subxact_callback, NULL);
}
