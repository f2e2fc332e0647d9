/*
 * capture/cursor.c
 *	  Lane cursors: how far each lane has got, one appended row a batch.
 *
 * The newest row counts.  It is written in the transaction that applied the
 * events, so position, state and output commit together: a crash leaves either
 * all of a batch or nothing.  Only the holder of JO_LOCK_LANE appends.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "capture/capture.h"
#include "capture/cursor_columns.h"
#include "core/snapshot.h"
#include "core/append.h"
#include "core/identity.h"
#include "core/index.h"
#include "core/leaf.h"

/* The cursor of a lane that never ran. */
static void
begin_cursor(int lane, JoLaneCursor *cursor)
{
	memset(cursor, 0, sizeof(JoLaneCursor));
	cursor->lane = lane;
	cursor->clock = DT_NOBEGIN;
	cursor->timer_due = DT_NOBEGIN;
	cursor->next_timer = 1;
	cursor->next_outbox = 1;
	cursor->incarnation = jo_incarnation();
	jo_snapshot_empty(&cursor->s1);
}

static void
load_cursor(TupleTableSlot *slot, JoLaneCursor *cursor)
{
	Datum	   *values;

	slot_getallattrs(slot);
	values = slot->tts_values;
	cursor->batch = DatumGetInt64(values[CURSOR_BATCH]);
	cursor->seq = DatumGetInt64(values[CURSOR_SEQ]);
	cursor->clock = DatumGetTimestampTz(values[CURSOR_CLOCK]);
	cursor->timer_due = DatumGetTimestampTz(values[CURSOR_TIMER_DUE]);
	cursor->timer_id = DatumGetInt64(values[CURSOR_TIMER_ID]);
	cursor->next_timer = DatumGetInt64(values[CURSOR_NEXT_TIMER]);
	cursor->next_outbox = DatumGetInt64(values[CURSOR_NEXT_OUTBOX]);
	cursor->applied = DatumGetInt64(values[CURSOR_APPLIED]);
	cursor->entered = DatumGetInt64(values[CURSOR_ENTERED]);
	cursor->ended = DatumGetInt64(values[CURSOR_ENDED]);
	cursor->advances = DatumGetInt64(values[CURSOR_ADVANCES]);
	cursor->parked = DatumGetInt64(values[CURSOR_PARKED]);
	cursor->clock_epoch = DatumGetInt32(values[CURSOR_CLOCK_EPOCH]);
	cursor->incarnation = DatumGetInt32(values[CURSOR_INCARNATION]);
	jo_snapshot_load(values[CURSOR_S1], &cursor->s1);
	cursor->has_s2 = !slot->tts_isnull[CURSOR_S2];
	if (cursor->has_s2)
		jo_snapshot_load(values[CURSOR_S2], &cursor->s2);
}

/* Newest visible row of one segment, if it is newer than what "cursor" has. */
static void
read_segment(Oid leaf, Snapshot snapshot, JoLaneCursor *cursor)
{
	Relation	relation = table_open(leaf, AccessShareLock);
	Relation	index = jo_index_open(relation, CURSOR_BATCH + 1, 0,
									  AccessShareLock);
	IndexScanDesc scan = index_beginscan(relation, index, snapshot, 0, 0);
	TupleTableSlot *slot = table_slot_create(relation, NULL);

	index_rescan(scan, NULL, 0, NULL, 0);
	if (index_getnext_slot(scan, BackwardScanDirection, slot))
	{
		bool		isnull;
		Datum		batch = slot_getattr(slot, CURSOR_BATCH + 1, &isnull);

		if (DatumGetInt64(batch) > cursor->batch)
			load_cursor(slot, cursor);
	}
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);
}

void
jo_lane_cursor_read(int lane, Snapshot snapshot, JoLaneCursor *cursor)
{
	int			segments = jo_leaf_segments(JO_LANE_CURSOR, lane);

	begin_cursor(lane, cursor);
	for (int segment = 0; segment < segments; segment++)
		read_segment(jo_leaf_oid(JO_LANE_CURSOR, lane, segment), snapshot,
					 cursor);
}

void
jo_lane_cursor_append(const JoLaneCursor *cursor, int worker)
{
	int			segment = jo_leaf_current(JO_LANE_CURSOR, cursor->lane);
	JoAppend   *append;
	Datum		values[CURSOR_COLUMNS];
	bool		isnull[CURSOR_COLUMNS] = {false};

	values[CURSOR_BATCH] = Int64GetDatum(cursor->batch);
	values[CURSOR_SEQ] = Int64GetDatum(cursor->seq);
	values[CURSOR_CLOCK] = TimestampTzGetDatum(cursor->clock);
	values[CURSOR_TIMER_DUE] = TimestampTzGetDatum(cursor->timer_due);
	values[CURSOR_TIMER_ID] = Int64GetDatum(cursor->timer_id);
	values[CURSOR_NEXT_TIMER] = Int64GetDatum(cursor->next_timer);
	values[CURSOR_NEXT_OUTBOX] = Int64GetDatum(cursor->next_outbox);
	values[CURSOR_APPLIED] = Int64GetDatum(cursor->applied);
	values[CURSOR_ENTERED] = Int64GetDatum(cursor->entered);
	values[CURSOR_ENDED] = Int64GetDatum(cursor->ended);
	values[CURSOR_ADVANCES] = Int64GetDatum(cursor->advances);
	values[CURSOR_PARKED] = Int64GetDatum(cursor->parked);
	values[CURSOR_RECORDED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[CURSOR_CLOCK_EPOCH] = Int32GetDatum(cursor->clock_epoch);
	values[CURSOR_INCARNATION] = Int32GetDatum(cursor->incarnation);
	values[CURSOR_WORKER] = Int32GetDatum(worker);
	values[CURSOR_LANE] = Int16GetDatum(cursor->lane);
	values[CURSOR_SEGMENT] = Int16GetDatum(segment);
	values[CURSOR_S1] = jo_snapshot_store(&cursor->s1);
	isnull[CURSOR_S2] = !cursor->has_s2;
	values[CURSOR_S2] = cursor->has_s2 ?
		jo_snapshot_store(&cursor->s2) : (Datum) 0;

	append = jo_append_begin(jo_leaf_oid(JO_LANE_CURSOR, cursor->lane,
										 segment));
	jo_append_row(append, values, isnull);
	jo_append_end(append);
}
