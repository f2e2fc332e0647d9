/*
 * enrollment/timer_upkeep.c
 *	  Keeps the timers small: hints before the lane's position are dead.
 *
 * A current segment that has grown is left for an empty one, but only once it
 * is larger than all others together: the few segments of a lane then grow
 * like powers of two, and every look for due hints visits few.  A segment that
 * is not current and of which little is alive is drained (core/segment.c has
 * the rules, and why a crash in between is harmless): its live hints are copied
 * into the current segment.
 *
 * A hint is alive when it lies after the position and its customer has a live
 * run, message or planned entry; one that comes later gets a hint of its own.
 * Copies keep due_at and timer_id, so the order of hints, the position and the
 * rule that none is placed before it are untouched.  While a hint exists twice
 * it is looked at twice, or once and then passed, which makes no difference:
 * it only says "look at this customer".
 *
 * The dead are dead for one epoch of the clock.  When the clock is set back the
 * position goes back, and a run may believe in a hint that was passed and
 * dropped; "dropped_to" tells timer.c not to trust those.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/append.h"
#include "core/live.h"
#include "core/upkeep.h"
#include "enrollment/rows.h"
#include "enrollment/timer.h"

/* A segment is drained when at most one in this many of its hints is alive. */
#define LIVE_FRACTION 4

/* A sample is so many blocks, and about so many rows of each. */
#define SAMPLE_BLOCKS 16
#define SAMPLE_ROWS 8

/* What decides whether a hint is alive. */
typedef struct Judge
{
	Snapshot	snapshot;
	JoLaneCursor cursor;
	JoLive	   *runs;
	JoLive	   *messages;
	JoLive	   *plans;
} Judge;

static void
open_judge(Judge *judge, int lane)
{
	judge->snapshot = GetActiveSnapshot();
	jo_lane_cursor_read(lane, judge->snapshot, &judge->cursor);
	judge->runs = jo_live_open(jo_leaf_oid(JO_ENROLLMENT, lane, 0),
							   AccessShareLock);
	judge->messages = jo_live_open(jo_leaf_oid(JO_MESSAGE, lane, 0),
								   AccessShareLock);
	judge->plans = jo_live_open(jo_leaf_oid(JO_PLANNED_ENTRY, lane, 0),
								AccessShareLock);
}

static void
close_judge(Judge *judge)
{
	jo_live_close(judge->runs);
	jo_live_close(judge->messages);
	jo_live_close(judge->plans);
}

static bool
has_row(Judge *judge, JoLive *live, const char *customer_id)
{
	jo_live_find(live, judge->snapshot, customer_id);
	return jo_live_next(live) != NULL;
}

/* Is the hint in "slot", which is fully deformed, alive? */
static bool
is_alive(Judge *judge, TupleTableSlot *slot)
{
	TimestampTz due_at = DatumGetTimestampTz(slot->tts_values[TIMER_DUE_AT]);
	int64		timer_id = DatumGetInt64(slot->tts_values[TIMER_TIMER_ID]);
	char	   *customer_id;
	bool		result;

	if (due_at < judge->cursor.timer_due ||
		(due_at == judge->cursor.timer_due &&
		 timer_id <= judge->cursor.timer_id))
		return false;

	customer_id = TextDatumGetCString(slot->tts_values[TIMER_CUSTOMER_ID]);
	result = has_row(judge, judge->runs, customer_id) ||
		has_row(judge, judge->messages, customer_id) ||
		has_row(judge, judge->plans, customer_id);
	pfree(customer_id);
	return result;
}

/* What a sample found. */
typedef struct Sample
{
	int			seen;
	int			alive;
} Sample;

/* Look at every so-manieth row of one block. */
static void
sample_block(Judge *judge, Relation relation, BlockNumber block,
			 TupleTableSlot *slot, Sample *sample)
{
	TableScanDesc scan = table_beginscan_strat(relation, judge->snapshot, 0,
											   NULL, true, false);
	int			stride = 1;
	int			row = 0;

	heap_setscanlimits(scan, block, 1);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		/* the first SAMPLE_ROWS, then ever fewer */
		if (++row % stride != 0)
			continue;
		if (row >= stride * SAMPLE_ROWS)
			stride *= 2;
		slot_getallattrs(slot);
		sample->seen++;
		if (is_alive(judge, slot))
			sample->alive++;
	}
	table_endscan(scan);
}

/*
 * Is so little of a segment alive that copying it pays?  Judged by rows of
 * blocks spread evenly over it; a small segment is looked at in every block.
 * A wrong guess costs a copy too early or too late, nothing else.
 */
static bool
is_mostly_dead(Judge *judge, const JoSegments *segments, int segment)
{
	Relation	relation = table_open(jo_leaf_oid(JO_TIMER, segments->lane,
												  segment), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	BlockNumber blocks = segments->blocks[segment];
	int			count = Min(blocks, SAMPLE_BLOCKS);
	Sample		sample = {0, 0};

	for (int i = 0; i < count; i++)
		sample_block(judge, relation, (uint64) blocks * i / count, slot,
					 &sample);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, AccessShareLock);
	return sample.alive * LIVE_FRACTION <= sample.seen;
}

/* Is it time to leave the current segment? */
static bool
wants_switch(const JoSegments *segments)
{
	uint64		others = 0;

	for (int i = 0; i < segments->count; i++)
		if (i != segments->current && i != segments->drained)
			others += segments->blocks[i];
	return jo_segment_is_large(segments, segments->current) &&
		segments->blocks[segments->current] > others;
}

/* The first segment that is to be drained, or -1. */
static int
find_mostly_dead(const JoSegments *segments)
{
	Judge		judge;
	int			found = -1;

	if (segments->drained >= 0)
		return -1;
	for (int i = 0; i < segments->count; i++)
	{
		if (i == segments->current || segments->blocks[i] == 0)
			continue;
		open_judge(&judge, segments->lane);
		if (is_mostly_dead(&judge, segments, i))
			found = i;
		close_judge(&judge);
		if (found >= 0)
			break;
	}
	return found;
}

static bool
is_timer_due(const JoSegments *segments)
{
	return wants_switch(segments) || find_mostly_dead(segments) >= 0;
}

/* Let the writers go on in an empty segment, a new one if need be. */
static void
switch_segment(JoSegments *segments)
{
	int			old = segments->current;
	int			empty = jo_segment_find_empty(segments);

	if (empty < 0)
	{
		empty = jo_leaf_add(JO_TIMER, segments->lane);
		if (empty < 0)
			return;
		segments->count = empty + 1;
		segments->blocks[empty] = 0;
	}
	jo_segment_switch(segments, empty);
	jo_upkeep_report(segments, "switched",
					 "from segment %d (" INT64_FORMAT " kB) to segment %d",
					 old, (int64) segments->blocks[old] * (BLCKSZ / 1024),
					 empty);
}

/* Copy the live hints of "segment" into the current one; returns how many. */
static int64
copy_live(Judge *judge, const JoSegments *segments, int segment)
{
	Relation	relation = table_open(jo_leaf_oid(JO_TIMER, segments->lane,
												  segment), AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TableScanDesc scan = table_beginscan(relation, judge->snapshot, 0, NULL);
	JoAppend   *append = jo_append_begin(jo_leaf_oid(JO_TIMER, segments->lane,
													 segments->current));
	int64		copied = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		Datum		values[TIMER_COLUMNS];

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(slot);
		if (!is_alive(judge, slot))
			continue;
		memcpy(values, slot->tts_values, sizeof(values));
		values[TIMER_SEGMENT] = Int16GetDatum(segments->current);
		jo_append_row(append, values, slot->tts_isnull);
		copied++;
	}
	table_endscan(scan);
	jo_append_end(append);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, AccessShareLock);
	return copied;
}

static int64
drain_timers(JoSegments *segments)
{
	Judge		judge;
	int64		copied;
	int			old;

	if (wants_switch(segments))
		switch_segment(segments);
	old = find_mostly_dead(segments);
	if (old < 0)
		return 0;

	open_judge(&judge, segments->lane);
	copied = copy_live(&judge, segments, old);
	jo_segment_drain(segments, old, judge.cursor.timer_due);
	close_judge(&judge);
	jo_upkeep_report_drained(segments, copied);
	return copied;
}

static const JoUpkeep timer_upkeep = {
	.family = JO_TIMER,
	.is_due = is_timer_due,
	.run = drain_timers
};

void
jo_timer_upkeep_init(void)
{
	jo_upkeep_register(&timer_upkeep);
}
