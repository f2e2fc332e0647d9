/*
 * enrollment/batch.c
 *	  One batch of one lane: read, compute, write.
 *
 * The caller holds the lane's lock, and it took it before this function takes
 * the snapshot: everything an earlier owner of the lane committed is then
 * visible, which is what makes "one writer a lane" true.  In another order a
 * batch could start from a cursor that is no longer the newest.
 *
 * A batch writes nothing but through its sink, at the end.  Everything before
 * that may fail, and then the batch has not happened; the next attempt is a
 * careful one (careful.c).
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/guc.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "content/content.h"
#include "core/definition.h"
#include "core/leaf.h"
#include "enrollment/batch.h"
#include "enrollment/careful.h"
#include "enrollment/erase.h"
#include "enrollment/life.h"
#include "enrollment/plan.h"
#include "enrollment/read.h"
#include "enrollment/timer.h"
#include "enrollment/trial.h"
#include "experiment/holdout.h"

int			jo_batch_size = 1000;
int			jo_fan_out_chunk = 10000;

/* Entry of the index of members. */
typedef struct MemberEntry
{
	char	   *customer_id;	/* hash key: the string it points to */
	JoMember   *member;
} MemberEntry;

static uint32
hash_customer(const void *key, Size size)
{
	const char *customer_id = *(char *const *) key;

	return (uint32) jo_lane_hash(customer_id, strlen(customer_id));
}

static int
match_customer(const void *a, const void *b, Size size)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static void
create_member_index(JoBatch *batch)
{
	HASHCTL		control = {0};

	control.keysize = sizeof(char *);
	control.entrysize = sizeof(MemberEntry);
	control.hash = hash_customer;
	control.match = match_customer;
	control.hcxt = batch->context;
	batch->member_index = hash_create("journey_orch batch members",
									  batch->limit, &control,
									  HASH_ELEM | HASH_FUNCTION |
									  HASH_COMPARE | HASH_CONTEXT);
}

/* The member for a customer, made when it is new. */
JoMember *
jo_batch_member(JoBatch *batch, const char *customer_id)
{
	MemberEntry *entry;
	bool		found;

	entry = hash_search(batch->member_index, &customer_id, HASH_ENTER, &found);
	if (!found)
	{
		JoMember   *member = palloc0(sizeof(JoMember));

		member->customer_id = pstrdup(customer_id);
		member->now = JO_NO_TIME;
		member->due = JO_NO_TIME;
		entry->customer_id = member->customer_id;
		entry->member = member;
		batch->members = lappend(batch->members, member);
	}
	return entry->member;
}

/* Give an event to its customer; a control event of the lane has none. */
void
jo_batch_add_event(JoBatch *batch, JoEvent *event)
{
	JoMember   *member;

	if (event->customer_id[0] == '\0')
		return;
	if (event->payload == NULL)
		event->payload = jo_jsonb_empty();
	member = jo_batch_member(batch, event->customer_id);
	member->events = lappend(member->events, event);
}

/*
 * Bring the cursor to the clock of this batch.  When the clock was reset or set
 * back, the lane's own clock and its place among the timers start anew: hints
 * that were looked at before are looked at again, and find nothing to do.
 */
void
jo_batch_adopt_clock(JoBatch *batch)
{
	JoLaneCursor *cursor = &batch->cursor;

	batch->clock = jo_clock_at(batch->snapshot);
	if (cursor->clock_epoch == batch->clock.epoch)
		return;
	cursor->clock_epoch = batch->clock.epoch;
	cursor->clock = JO_NO_TIME;
	cursor->timer_due = JO_NO_TIME;
	cursor->timer_id = 0;
}

/*
 * Set up an empty batch over the active snapshot.  Its memory is a child of
 * CurrentMemoryContext.
 */
void
jo_batch_begin(JoBatch *batch, int lane, int limit, TimestampTz until)
{
	memset(batch, 0, sizeof(JoBatch));
	batch->lane = lane;
	batch->limit = Max(limit, 1);
	batch->until = until == JO_NO_TIME ? DT_NOEND : until;
	batch->act_limit = PG_INT64_MAX;
	batch->sink = &jo_sink_tables;
	batch->context = AllocSetContextCreate(CurrentMemoryContext,
										   "journey_orch batch",
										   ALLOCSET_DEFAULT_SIZES);
	batch->snapshot = GetActiveSnapshot();
	create_member_index(batch);
}

/* The clock that the lane has reached: no later event may lie before it. */
static void
finish_clock(JoBatch *batch)
{
	if (!batch->more && batch->timer_limit > batch->cursor.clock)
		batch->cursor.clock = batch->timer_limit;
}

/* Under the virtual clock: not past an audience that is still to be told. */
static void
hold_lane(JoBatch *batch)
{
	TimestampTz hold;

	if (!batch->clock.is_virtual)
		return;
	hold = jo_schedule_hold(batch->clock.now);
	if (hold >= batch->until)
		return;
	batch->until = hold;
	batch->has_fan_outs = true;
}

static void
run_lane(JoBatch *batch)
{
	jo_lane_cursor_read(batch->lane, batch->snapshot, &batch->cursor);
	jo_batch_adopt_clock(batch);
	if (jo_erase_run(batch))
	{
		batch->more = true;
		return;
	}
	hold_lane(batch);
	jo_batch_read(batch);
	batch->cursor.batch++;
	if (batch->nevents == 0 && batch->ntimers == 0 &&
		batch->passes == NIL && !batch->cursor.moved)
		return;
	if (batch->care != NULL)
		jo_careful_run(batch);
	else
	{
		jo_batch_read_members(batch);
		jo_batch_compute(batch);
		batch->messages = list_length(batch->attempts);
		batch->sink->write(batch);
	}
	finish_clock(batch);
	batch->sink->write_position(batch);
}

/* Run part of a batch with the caches of definitions held still. */
void
jo_batch_with_caches(JoBatch *batch, void (*run) (JoBatch *batch))
{
	jo_definition_adopt(batch->snapshot);
	jo_journey_cache_begin();
	jo_channel_cache_begin();
	jo_template_cache_begin();
	jo_holdout_begin();
	PG_TRY();
	{
		batch->has_binding = OidIsValid(jo_customer_relation());
		run(batch);
	}
	PG_FINALLY();
	{
		jo_holdout_end();
		jo_template_cache_end();
		jo_channel_cache_end();
		jo_journey_cache_end();
	}
	PG_END_TRY();
}

void
jo_batch_run(const JoBatchOrder *order, JoBatchResult *result)
{
	JoBatch		batch;
	JoCare		care = {.timeout_ms = order->timeout_ms};
	MemoryContext caller = CurrentMemoryContext;

	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("journeys can only be run in a READ COMMITTED transaction")));
	jo_care_lane_is_at_fault = false;
	memset(result, 0, sizeof(JoBatchResult));
	result->next_due = JO_NO_TIME;
	if (!jo_leaf_exists())
		return;
	PushActiveSnapshot(GetTransactionSnapshot());
	jo_batch_begin(&batch, order->lane, order->limit, order->until);
	if (order->is_careful)
		batch.care = &care;
	MemoryContextSwitchTo(batch.context);
	jo_batch_with_caches(&batch, run_lane);
	result->events = batch.nevents;
	result->timers = batch.ntimers;
	result->advances = batch.advances;
	result->messages = batch.messages;
	result->more = batch.more;
	result->called = batch.has_called;
	result->fans_out = batch.has_fan_outs;
	if (!batch.more)
		result->next_due = jo_timer_next_due(&batch);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(batch.context);
	PopActiveSnapshot();
}

void
jo_enrollment_init(void)
{
	DefineCustomIntVariable("journey_orch.batch_size",
							"Sets the most events that one batch of a lane applies.",
							"Larger batches cost less per event and hold the lane longer; memory grows with it.",
							&jo_batch_size,
							1000, 1, 100000,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomIntVariable("journey_orch.fan_out_chunk",
							"Sets how many customers of an audience are told to enter in one transaction.",
							"The audience is asked for again for each chunk; larger ones ask less often and hold the worker longer.",
							&jo_fan_out_chunk,
							10000, 1, 1000000,
							PGC_SUSET, 0,
							NULL, NULL, NULL);
	jo_timer_upkeep_init();
	jo_plan_init();
	jo_trial_init();
	jo_fan_out_init();
	jo_prune_init();
}
