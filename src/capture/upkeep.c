/*
 * capture/upkeep.c
 *	  Keeps the lane cursors small: one row a batch, only the newest counts.
 *
 * When the current segment of a lane has grown, its newest row is copied into
 * an empty one, which becomes the current one, and the old one is drained
 * (core/segment.c has the rules, and why a crash in between is harmless).
 * Until it is truncated the newest row exists twice; readers take either.
 * A reader with an older snapshot goes on reading the old segment.
 *
 * A lane needs no third segment: while an old snapshot keeps the drained one,
 * nothing could be reclaimed elsewhere either.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

#include "capture/cursor_columns.h"
#include "capture/internal.h"
#include "core/append.h"
#include "core/upkeep.h"

/* The newest cursor of a lane as it is stored. */
typedef struct NewestRow
{
	int			segment;		/* -1: the lane has not begun */
	int64		batch;
	Datum		values[CURSOR_COLUMNS];
	bool		isnull[CURSOR_COLUMNS];
} NewestRow;

/* Take the newest row of one segment if it is newer than what "newest" has. */
static void
look_into_segment(int lane, int segment, Snapshot snapshot, NewestRow *newest)
{
	Relation	relation = table_open(jo_leaf_oid(JO_LANE_CURSOR, lane,
												  segment), AccessShareLock);
	List	   *indexes = RelationGetIndexList(relation);
	Relation	index = index_open(linitial_oid(indexes), AccessShareLock);
	IndexScanDesc scan = index_beginscan(relation, index, snapshot, 0, 0);
	TupleTableSlot *slot = table_slot_create(relation, NULL);

	index_rescan(scan, NULL, 0, NULL, 0);
	if (index_getnext_slot(scan, BackwardScanDirection, slot))
	{
		bool		isnull;
		int64		batch = DatumGetInt64(slot_getattr(slot, CURSOR_BATCH + 1,
													   &isnull));

		if (newest->segment < 0 || batch > newest->batch)
		{
			HeapTuple	copy = ExecCopySlotHeapTuple(slot);

			newest->segment = segment;
			newest->batch = batch;
			heap_deform_tuple(copy, RelationGetDescr(relation),
							  newest->values, newest->isnull);
		}
	}
	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);
	list_free(indexes);
}

/* The current segment wins where a row exists twice. */
static void
find_newest(const JoSegments *segments, NewestRow *newest)
{
	Snapshot	snapshot = GetActiveSnapshot();

	newest->segment = -1;
	look_into_segment(segments->lane, segments->current, snapshot, newest);
	for (int i = 0; i < segments->count; i++)
		if (i != segments->current)
			look_into_segment(segments->lane, i, snapshot, newest);
}

static int64
copy_row(const JoSegments *segments, NewestRow *newest, int segment)
{
	JoAppend   *append;

	if (newest->segment < 0 || newest->segment == segment)
		return 0;
	newest->values[CURSOR_SEGMENT] = Int16GetDatum(segment);
	append = jo_append_begin(jo_leaf_oid(JO_LANE_CURSOR, segments->lane,
										 segment));
	jo_append_row(append, newest->values, newest->isnull);
	jo_append_end(append);
	return 1;
}

/* A segment that has rows and is not the current one, or -1. */
static int
find_left_over(const JoSegments *segments)
{
	for (int i = 0; i < segments->count; i++)
		if (i != segments->current && i != segments->drained &&
			segments->blocks[i] > 0)
			return i;
	return -1;
}

static bool
is_cursor_due(const JoSegments *segments)
{
	return segments->drained < 0 &&
		(jo_segment_is_large(segments, segments->current) ||
		 find_left_over(segments) >= 0);
}

/* Leave the current segment, or a left-over one, behind. */
static int64
drain_cursors(JoSegments *segments)
{
	NewestRow	newest;
	int			old = find_left_over(segments);
	int64		copied;

	find_newest(segments, &newest);
	if (old < 0)
	{
		int			empty = jo_segment_find_empty(segments);

		if (empty < 0)
			return 0;
		old = segments->current;
		jo_segment_switch(segments, empty);
	}
	copied = copy_row(segments, &newest, segments->current);
	jo_segment_drain(segments, old, DT_NOBEGIN);
	jo_upkeep_report_drained(segments, copied);
	return copied;
}

static const JoUpkeep cursor_upkeep = {
	.family = JO_LANE_CURSOR,
	.is_due = is_cursor_due,
	.run = drain_cursors
};

void
jo_cursor_upkeep_init(void)
{
	jo_upkeep_register(&cursor_upkeep);
}
