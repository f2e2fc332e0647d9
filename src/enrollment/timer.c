/*
 * enrollment/timer.c
 *	  Timers: append-only hints that a customer has something due.
 *
 * The truth is due_at in the live row; a timer row only makes the lane look at
 * the customer.  So nothing is ever deleted: a hint whose run has gone or moved
 * finds nothing to do.  The cursor's (timer_due, timer_id) is the position up
 * to which hints have been looked at.  A new hint is never placed before it:
 * its due time is lifted to the position's, and its id is larger.
 *
 * A run remembers the due time of its newest hint (hint_at).  Pushing due_at
 * out beyond a hint that is still to come writes nothing: when that hint is
 * looked at, the run gets another.  After the clock was set back, a hint that
 * was passed before may be gone (timer_upkeep.c), and counts as such.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "core/append.h"
#include "core/index.h"
#include "core/leaf.h"
#include "enrollment/rows.h"
#include "enrollment/timer.h"

/* One hint as read. */
typedef struct DueTimer
{
	TimestampTz due_at;
	int64		timer_id;
	char	   *customer_id;
} DueTimer;

/* At most "limit" hints of one segment after the position, up to "until". */
typedef struct TimerRead
{
	JoBatch    *batch;
	TimestampTz until;
	int			limit;
	DueTimer   *timers;
	int			count;
} TimerRead;

static int
compare_timers(const void *a, const void *b)
{
	const DueTimer *left = a;
	const DueTimer *right = b;

	if (left->due_at != right->due_at)
		return left->due_at < right->due_at ? -1 : 1;
	return (left->timer_id > right->timer_id) -
		(left->timer_id < right->timer_id);
}

/* Collect what the scan yields, at most "limit" from it. */
static void
collect(TimerRead *read, IndexScanDesc scan, TupleTableSlot *slot)
{
	int			found = 0;

	while (found < read->limit &&
		   index_getnext_slot(scan, ForwardScanDirection, slot))
	{
		DueTimer   *timer = &read->timers[read->count];
		TimestampTz due_at;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		due_at = DatumGetTimestampTz(slot->tts_values[TIMER_DUE_AT]);
		if (due_at > read->until)
			break;
		timer->due_at = due_at;
		timer->timer_id = DatumGetInt64(slot->tts_values[TIMER_TIMER_ID]);
		timer->customer_id =
			TextDatumGetCString(slot->tts_values[TIMER_CUSTOMER_ID]);
		read->count++;
		found++;
	}
}

/*
 * Read one segment: first the rest of the position's own instant, then later
 * ones, so that a crowd due at one instant is never walked twice.
 */
static void
read_segment(TimerRead *read, int segment)
{
	JoBatch    *batch = read->batch;
	const JoLaneCursor *cursor = &batch->cursor;
	Relation	relation = table_open(jo_leaf_oid(JO_TIMER, batch->lane,
												  segment), AccessShareLock);
	Relation	index = jo_index_open(relation, TIMER_DUE_AT + 1,
									  TIMER_TIMER_ID + 1, AccessShareLock);
	IndexScanDesc scan = index_beginscan(relation, index, batch->snapshot,
										 2, 0);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	ScanKeyData keys[2];

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ,
				TimestampTzGetDatum(cursor->timer_due));
	ScanKeyInit(&keys[1], 2, BTGreaterStrategyNumber, F_INT8GT,
				Int64GetDatum(cursor->timer_id));
	index_rescan(scan, keys, 2, NULL, 0);
	collect(read, scan, slot);
	index_endscan(scan);

	scan = index_beginscan(relation, index, batch->snapshot, 1, 0);
	ScanKeyInit(&keys[0], 1, BTGreaterStrategyNumber, F_TIMESTAMPTZ_GT,
				TimestampTzGetDatum(cursor->timer_due));
	index_rescan(scan, keys, 1, NULL, 0);
	collect(read, scan, slot);
	index_endscan(scan);

	ExecDropSingleTupleTableSlot(slot);
	index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);
}

/* The first "limit" hints after the position and up to "until", in order. */
static int
read_timers(JoBatch *batch, TimestampTz until, int limit, DueTimer **timers)
{
	int			segments = jo_leaf_segments(JO_TIMER, batch->lane);
	TimerRead	read = {.batch = batch,.until = until,.limit = limit};

	read.timers = palloc(sizeof(DueTimer) * limit * 2 * segments);
	for (int segment = 0; segment < segments; segment++)
		read_segment(&read, segment);
	qsort(read.timers, read.count, sizeof(DueTimer), compare_timers);
	*timers = read.timers;
	return Min(read.count, limit);
}

/*
 * Look at the hints that are due: their customers become members of the batch,
 * and the cursor moves past them.
 */
void
jo_timer_read(JoBatch *batch)
{
	DueTimer   *timers;
	int			count = read_timers(batch, batch->timer_limit, batch->limit,
									&timers);

	for (int i = 0; i < count; i++)
		jo_batch_member(batch, timers[i].customer_id)->has_hint = true;
	if (count > 0)
	{
		batch->cursor.timer_due = timers[count - 1].due_at;
		batch->cursor.timer_id = timers[count - 1].timer_id;
	}
	batch->ntimers = count;
	if (count == batch->limit)
		batch->more = true;
	batch->has_all_hints = count < batch->limit &&
		jo_leaf_dropped_to(JO_TIMER, batch->lane) <= batch->cursor.timer_due;
}

static void
add_hint(JoBatch *batch, const char *customer_id, TimestampTz due_at)
{
	JoHint	   *hint = palloc(sizeof(JoHint));

	hint->customer_id = customer_id;
	hint->due_at = Max(due_at, batch->cursor.timer_due);
	batch->hints = lappend(batch->hints, hint);
}

/*
 * Give a hint to a run that has something due and no hint still to come.  Hints
 * up to "gone" were passed, or were passed once and dropped by upkeep.  A run
 * whose time stands still in a pause, beyond its due time, is found by the
 * resume (reach.c).
 */
static void
arm_run(JoBatch *batch, JoRun *run, TimestampTz gone)
{
	bool		has_hint = run->hint_at > gone;

	if (run->due_at == JO_NO_TIME ||
		(jo_run_is_suspended(run) && run->due_at <= gone))
		return;
	if (has_hint && run->hint_at <= run->due_at)
		return;
	add_hint(batch, run->member->customer_id, run->due_at);
	run->hint_at = run->due_at;
	run->is_changed = true;
}

/* The same for an entry by a date. */
static void
arm_plan(JoBatch *batch, const JoMember *member, JoPlan *plan,
		 TimestampTz gone)
{
	if (plan->due_at == JO_NO_TIME || plan->is_gone ||
		(plan->hint_at > gone && plan->hint_at <= plan->due_at))
		return;
	add_hint(batch, member->customer_id, plan->due_at);
	plan->hint_at = plan->due_at;
	plan->is_changed = true;
}

/* Arm everything that this batch leaves due. */
void
jo_timer_arm(JoBatch *batch)
{
	TimestampTz gone = Max(batch->cursor.timer_due,
						   jo_leaf_dropped_to(JO_TIMER, batch->lane));
	ListCell   *member_cell;
	ListCell   *cell;

	foreach(member_cell, batch->members)
	{
		JoMember   *member = lfirst(member_cell);

		foreach(cell, member->runs)
			arm_run(batch, lfirst(cell), gone);
		foreach(cell, member->plans)
			arm_plan(batch, member, lfirst(cell), gone);
		foreach(cell, member->messages)
		{
			JoMessage  *message = lfirst(cell);

			if (!message->is_settled && message->due_at != JO_NO_TIME &&
				(message->is_changed ||
				 message->due_at <= batch->cursor.timer_due))
				add_hint(batch, member->customer_id, message->due_at);
		}
	}
}

/* Append the collected hints. */
void
jo_timer_write(JoBatch *batch)
{
	int			segment = jo_leaf_current(JO_TIMER, batch->lane);
	JoAppend   *append;
	ListCell   *cell;

	if (batch->hints == NIL)
		return;
	append = jo_append_begin(jo_leaf_oid(JO_TIMER, batch->lane, segment));
	foreach(cell, batch->hints)
	{
		JoHint	   *hint = lfirst(cell);
		Datum		values[TIMER_COLUMNS];
		bool		isnull[TIMER_COLUMNS] = {false};

		values[TIMER_DUE_AT] = TimestampTzGetDatum(hint->due_at);
		values[TIMER_TIMER_ID] = Int64GetDatum(batch->cursor.next_timer++);
		values[TIMER_LANE] = Int16GetDatum(batch->lane);
		values[TIMER_SEGMENT] = Int16GetDatum(segment);
		values[TIMER_CUSTOMER_ID] = CStringGetTextDatum(hint->customer_id);
		jo_append_row(append, values, isnull);
	}
	jo_append_end(append);
}

/*
 * Due time of the lane's next hint after this batch, or JO_NO_TIME.  Looks at what
 * was stored before and at what the batch adds.
 */
TimestampTz
jo_timer_next_due(JoBatch *batch)
{
	DueTimer   *timers;
	TimestampTz next = JO_NO_TIME;
	ListCell   *cell;

	if (read_timers(batch, DT_NOEND, 1, &timers) > 0)
		next = timers[0].due_at;
	foreach(cell, batch->hints)
	{
		JoHint	   *hint = lfirst(cell);

		if (next == JO_NO_TIME || hint->due_at < next)
			next = hint->due_at;
	}
	return next;
}

TimestampTz
jo_lane_next_timer(const JoLaneCursor *cursor, Snapshot snapshot)
{
	JoBatch		batch = {
		.lane = cursor->lane,
		.snapshot = snapshot,
		.cursor = *cursor
	};
	DueTimer   *timers;

	if (read_timers(&batch, DT_NOEND, 1, &timers) == 0)
		return JO_NO_TIME;
	return timers[0].due_at;
}
