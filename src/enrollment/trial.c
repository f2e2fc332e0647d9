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
#include "common/hashfn.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/errors.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "enrollment/batch.h"
#include "enrollment/read.h"
#include "enrollment/trial.h"

/*
 * A customer touched, or an event applied on trial.  Hashed by content: seq, 0
 * for a touched customer, and the customer.
 */
typedef struct TrialKey
{
	int64		seq;
	const char *customer_id;
	int			length;
} TrialKey;

/*
 * What the current transaction has touched and applied, in TopTransactionContext:
 * a table to look it up, and a stack of the same in order.  Of the stack a
 * subtransaction's part is always at the top.
 */
typedef struct TrialEntry
{
	SubTransactionId subid;
	TrialKey	key;
} TrialEntry;

static List *trial_entries = NIL;
static HTAB *trial_index = NULL;

static uint32
hash_key(const void *key, Size size)
{
	const TrialKey *of = key;

	return hash_combine((uint32) jo_lane_hash(of->customer_id, of->length),
						murmurhash32((uint32) of->seq));
}

static int
match_key(const void *a, const void *b, Size size)
{
	const TrialKey *left = a;
	const TrialKey *right = b;

	return left->seq != right->seq || left->length != right->length ||
		memcmp(left->customer_id, right->customer_id, left->length) != 0;
}

static void
create_index(void)
{
	HASHCTL		control = {0};

	control.keysize = sizeof(TrialKey);
	control.entrysize = sizeof(TrialKey);
	control.hash = hash_key;
	control.match = match_key;
	control.hcxt = TopTransactionContext;
	trial_index = hash_create("journey_orch trial", 256, &control,
							  HASH_ELEM | HASH_FUNCTION | HASH_COMPARE |
							  HASH_CONTEXT);
}

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
			trial_index = NULL;
			break;
	}
}

/* Forget what a rolled-back savepoint did; hand on what a released one did. */
static void
trial_subxact_callback(SubXactEvent event, SubTransactionId subid,
					   SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	for (int i = list_length(trial_entries) - 1; i >= 0; i--)
	{
		TrialEntry *entry = list_nth(trial_entries, i);

		if (entry->subid != subid)
			break;
		if (event == SUBXACT_EVENT_COMMIT_SUB)
		{
			entry->subid = parent;
			continue;
		}
		hash_search(trial_index, &entry->key, HASH_REMOVE, NULL);
		trial_entries = list_delete_last(trial_entries);
	}
}

static bool
is_remembered(int64 seq, const char *customer_id, int length)
{
	TrialKey	key = {seq, customer_id, length};

	return trial_index != NULL &&
		hash_search(trial_index, &key, HASH_FIND, NULL) != NULL;
}

/* Remember an event applied, or with "seq" 0 a customer touched. */
static void
remember(int64 seq, const char *customer_id)
{
	MemoryContext caller;
	TrialEntry *entry;

	if (is_remembered(seq, customer_id, strlen(customer_id)))
		return;
	caller = MemoryContextSwitchTo(TopTransactionContext);
	if (trial_index == NULL)
		create_index();
	entry = palloc(sizeof(TrialEntry));
	entry->subid = GetCurrentSubTransactionId();
	entry->key.seq = seq;
	entry->key.customer_id = pstrdup(customer_id);
	entry->key.length = strlen(customer_id);
	trial_entries = lappend(trial_entries, entry);
	(void) hash_search(trial_index, &entry->key, HASH_ENTER, NULL);
	MemoryContextSwitchTo(caller);
}

/* JoCustomerFilter */
static bool
is_touched(const char *customer, int length, void *arg)
{
	return is_remembered(0, customer, length);
}

/*
 * Make the touched customers of the lane members of the batch: those with an
 * event of this transaction, and those that an earlier trial of it looked at.
 */
static void
find_touched(JoBatch *batch)
{
	ListCell   *cell;

	foreach(cell, jo_event_own_customers(&batch->cursor, batch->snapshot))
	{
		const char *customer_id = lfirst(cell);

		if (customer_id[0] != '\0')
			remember(0, customer_id);
	}
	foreach(cell, trial_entries)
	{
		const TrialKey *key = &((TrialEntry *) lfirst(cell))->key;

		if (key->seq == 0 &&
			jo_lane_of(key->customer_id, key->length) == batch->lane)
			(void) jo_batch_member(batch, key->customer_id);
	}
}

/* Read what is pending for them, whoever has captured it. */
static void
read_touched(JoBatch *batch)
{
	JoEvent    *events;
	int			n = jo_event_pending_read(&batch->cursor, batch->snapshot,
										  is_touched, NULL, &events);

	for (int i = 0; i < n; i++)
	{
		JoEvent    *event = &events[i];

		if (is_remembered(event->seq, event->customer_id,
						  strlen(event->customer_id)))
			continue;
		remember(event->seq, event->customer_id);
		event->instant = Max(event->instant, batch->cursor.clock);
		batch->cursor.clock = event->instant;
		jo_batch_add_event(batch, event);
		batch->nevents++;
	}
}

static void
try_lane(JoBatch *batch)
{
	jo_lane_cursor_read(batch->lane, batch->snapshot, &batch->cursor);
	jo_batch_adopt_clock(batch);
	batch->timer_limit = Min(batch->until, batch->clock.now);
	find_touched(batch);
	if (batch->members == NIL)
		return;
	read_touched(batch);
	batch->cursor.batch++;
	jo_batch_read_members(batch);
	jo_batch_compute(batch);
	batch->sink->write(batch);
	jo_fan_out_try(batch);
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
