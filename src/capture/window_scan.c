/*
 * capture/window_scan.c
 *	  Finds the events of a lane between two snapshots, and fetches them.
 *
 * The index (xid, seq) of a leaf leads to the pages on which a transaction has
 * events: one entry stands for the rows that a flush put on a page (event.c).
 * So the scan goes by pages.  A page is read once for all transactions within
 * bounds, because neighbours in the index share it: small transactions leave a
 * hundred entries for one page.  That loses nothing: what is within bounds had
 * ended before the snapshot was taken, so it was all there.
 *
 * Rows of rolled-back savepoints carry a committed xid and are only found
 * invisible when they are fetched.  Nothing here takes a lock but AccessShare
 * on the leaves; payloads are copied outside of every buffer lock.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "lib/qunique.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "capture/event_columns.h"
#include "capture/window_scan.h"
#include "core/index.h"

/* ---- the list ---- */

static int
compare_entries(const void *a, const void *b)
{
	const JoWindowEntry *left = a;
	const JoWindowEntry *right = b;

	if (left->seq != right->seq)
		return left->seq < right->seq ? -1 : 1;
	return ItemPointerCompare(unconstify(ItemPointerData *, &left->tid),
							  unconstify(ItemPointerData *, &right->tid));
}

/*
 * Sort by ticket, leave out rows that were found twice (by two index entries
 * that lead to one page), and keep at most JO_WINDOW_ENTRIES.
 */
static void
sort_list(JoWindowList *list)
{
	if (list->count == 0)
		return;
	qsort(list->entries, list->count, sizeof(JoWindowEntry), compare_entries);
	list->count = qunique(list->entries, list->count, sizeof(JoWindowEntry),
						  compare_entries);
	if (list->count > JO_WINDOW_ENTRIES)
	{
		list->count = JO_WINDOW_ENTRIES;
		list->is_partial = true;
	}
}

static void
add_entry(JoWindowList *list, int64 seq, ItemPointer tid, int segment)
{
	JoWindowEntry *entry;

	if (list->count == 2 * JO_WINDOW_ENTRIES)
		sort_list(list);
	if (list->count == list->allocated)
	{
		list->allocated = Max(64, list->allocated * 2);
		list->entries = list->entries == NULL ?
			palloc(list->allocated * sizeof(JoWindowEntry)) :
			repalloc_huge(list->entries,
						  list->allocated * sizeof(JoWindowEntry));
	}
	entry = &list->entries[list->count++];
	entry->seq = seq;
	entry->tid = *tid;
	entry->segment = segment;
}

/* True when the scan has seen as much as it should. */
static bool
gives_up(JoWindowList *list)
{
	if (list->give_up == 0 ||
		(list->count <= list->give_up && list->pages <= list->give_up))
		return false;
	list->is_partial = true;
	return true;
}

/* ---- the bounds ---- */

void
jo_window_bounds_pending(JoWindowBounds *bounds, const JoLaneCursor *cursor,
						 const JoSnapshot *upto)
{
	memset(bounds, 0, sizeof(JoWindowBounds));
	bounds->s1 = &cursor->s1;
	bounds->s2 = upto;
	if (cursor->has_s2)
	{
		bounds->after = cursor->seq;
		bounds->after_in = &cursor->s2;
	}
}

/* May the transaction have events inside the bounds? */
static bool
is_in_reach(const JoWindowBounds *bounds, FullTransactionId xid)
{
	return !jo_snapshot_is_finished(bounds->s1, xid) &&
		(bounds->s2 == NULL || jo_snapshot_is_finished(bounds->s2, xid));
}

/* Is the event inside the bounds? */
static bool
is_wanted(const JoWindowBounds *bounds, FullTransactionId xid, int64 seq)
{
	if (!is_in_reach(bounds, xid))
		return false;
	return bounds->after_in == NULL || seq > bounds->after ||
		!jo_snapshot_is_finished(bounds->after_in, xid);
}

/* ---- the scan ---- */

/* The open scan of one leaf's index. */
typedef struct LeafScan
{
	Relation	relation;
	Relation	index;
	IndexScanDesc scan;
	int			segment;
	BlockNumber last_block;		/* the page that was read last */
} LeafScan;

static void
open_leaf_scan(LeafScan *leaf, int lane, int segment, Snapshot snapshot)
{
	leaf->segment = segment;
	leaf->last_block = InvalidBlockNumber;
	leaf->relation = table_open(jo_leaf_oid(JO_EVENT, lane, segment),
								AccessShareLock);
	leaf->index = jo_index_open(leaf->relation, EVENT_XID + 1, EVENT_SEQ + 1,
								AccessShareLock);
	leaf->scan = index_beginscan(leaf->relation, leaf->index, snapshot, 1, 0);
	leaf->scan->xs_want_itup = true;
}

static void
close_leaf_scan(LeafScan *leaf)
{
	index_endscan(leaf->scan);
	index_close(leaf->index, AccessShareLock);
	table_close(leaf->relation, AccessShareLock);
}

/*
 * Does the list want the row's customer?  One whose id is stored in another
 * form than plain is decided by whoever reads the row.
 */
static bool
wants_customer(const JoWindowList *list, HeapTuple tuple, TupleDesc descriptor)
{
	bool		isnull;
	Pointer		customer;

	if (list == NULL || list->wants == NULL)
		return true;
	customer = DatumGetPointer(heap_getattr(tuple, EVENT_CUSTOMER_ID + 1,
											descriptor, &isnull));
	if (VARATT_IS_EXTERNAL(customer) || VARATT_IS_COMPRESSED(customer))
		return true;
	return list->wants(VARDATA_ANY(customer), VARSIZE_ANY_EXHDR(customer),
					   list->wants_arg);
}

/*
 * Look at the rows of a page that are within bounds.  With "list" they are
 * collected.  Without, returns true at the first of them that "snapshot" sees.
 */
static bool
walk_page(LeafScan *leaf, BlockNumber block, const JoWindowBounds *bounds,
		  Snapshot snapshot, JoWindowList *list)
{
	TupleDesc	descriptor = RelationGetDescr(leaf->relation);
	Buffer		buffer = ReadBuffer(leaf->relation, block);
	bool		found = false;
	Page		page;
	OffsetNumber last;

	LockBuffer(buffer, BUFFER_LOCK_SHARE);
	page = BufferGetPage(buffer);
	last = PageGetMaxOffsetNumber(page);
	for (OffsetNumber i = FirstOffsetNumber; i <= last && !found; i++)
	{
		ItemId		item = PageGetItemId(page, i);
		HeapTupleData tuple;
		FullTransactionId xid;
		bool		isnull;
		int64		seq;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationGetRelid(leaf->relation);
		ItemPointerSet(&tuple.t_self, block, i);
		seq = DatumGetInt64(heap_getattr(&tuple, EVENT_SEQ + 1, descriptor,
										 &isnull));
		xid = DatumGetFullTransactionId(heap_getattr(&tuple, EVENT_XID + 1,
													 descriptor, &isnull));
		if (!is_wanted(bounds, xid, seq) ||
			jo_event_is_applied(DatumGetChar(heap_getattr(&tuple,
														  EVENT_KIND + 1,
														  descriptor,
														  &isnull))) ||
			!wants_customer(list, &tuple, descriptor))
			continue;
		if (list != NULL)
			add_entry(list, seq, &tuple.t_self, leaf->segment);
		else
			found = HeapTupleSatisfiesVisibility(&tuple, snapshot, buffer);
	}
	UnlockReleaseBuffer(buffer);

	return found;
}

/*
 * Walk the pages that index entries with xid = "xid" (or >= "xid") lead to.
 * Returns as walk_page(), and true when the list gives up.
 */
static bool
walk_entries(LeafScan *leaf, StrategyNumber strategy, FullTransactionId xid,
			 const JoWindowBounds *bounds, Snapshot snapshot,
			 JoWindowList *list)
{
	ScanKeyData key;
	ItemPointer tid;
	bool		is_done = false;

	ScanKeyInit(&key, 1, strategy,
				strategy == BTEqualStrategyNumber ? F_XID8EQ : F_XID8GE,
				FullTransactionIdGetDatum(xid));
	index_rescan(leaf->scan, &key, 1, NULL, 0);
	while (!is_done &&
		   (tid = index_getnext_tid(leaf->scan, ForwardScanDirection)) != NULL)
	{
		BlockNumber block = ItemPointerGetBlockNumber(tid);
		FullTransactionId row_xid;
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		if (block == leaf->last_block)
			continue;
		row_xid = DatumGetFullTransactionId(index_getattr(leaf->scan->xs_itup, 1,
														  leaf->scan->xs_itupdesc,
														  &isnull));
		if (!is_in_reach(bounds, row_xid))
			continue;
		leaf->last_block = block;
		is_done = walk_page(leaf, block, bounds, snapshot, list);
		if (list != NULL)
		{
			list->pages++;
			is_done = gives_up(list);
		}
	}
	return is_done;
}

/* Walk all entries within bounds of all segments of a lane. */
static bool
walk_lane(int lane, const JoWindowBounds *bounds, Snapshot snapshot,
		  JoWindowList *list)
{
	int			segments = jo_leaf_segments(JO_EVENT, lane);
	bool		is_done = false;

	for (int segment = 0; segment < segments && !is_done; segment++)
	{
		LeafScan	leaf;

		open_leaf_scan(&leaf, lane, segment, snapshot);
		for (int i = 0; i < bounds->s1->nxip && !is_done; i++)
			is_done = walk_entries(&leaf, BTEqualStrategyNumber,
								   bounds->s1->xip[i], bounds, snapshot, list);
		if (!is_done)
			is_done = walk_entries(&leaf, BTGreaterEqualStrategyNumber,
								   bounds->s1->xmax, bounds, snapshot, list);
		close_leaf_scan(&leaf);
	}
	return is_done;
}

void
jo_window_collect(JoWindowList *list, int lane, const JoWindowBounds *bounds,
				  Snapshot snapshot)
{
	walk_lane(lane, bounds, snapshot, list);
	sort_list(list);
}

void
jo_window_collect_near(JoWindowList *list, int lane, FullTransactionId xid,
					   const JoWindowBounds *bounds, Snapshot snapshot)
{
	int			segments = jo_leaf_segments(JO_EVENT, lane);

	for (int segment = 0; segment < segments; segment++)
	{
		LeafScan	leaf;

		open_leaf_scan(&leaf, lane, segment, snapshot);
		(void) walk_entries(&leaf, BTEqualStrategyNumber, xid, bounds,
							snapshot, list);
		close_leaf_scan(&leaf);
	}
	sort_list(list);
}

bool
jo_window_has_event(int lane, const JoWindowBounds *bounds, Snapshot snapshot)
{
	return walk_lane(lane, bounds, snapshot, NULL);
}

/* ---- the rows ---- */

TupleTableSlot *
jo_window_fetch(JoWindowFetcher *fetcher, JoWindowEntry *entry)
{
	int			segment = entry->segment;
	TupleTableSlot *slot;

	if (fetcher->relation[segment] == NULL)
	{
		fetcher->relation[segment] =
			table_open(jo_leaf_oid(JO_EVENT, fetcher->lane, segment),
					   AccessShareLock);
		fetcher->slot[segment] =
			table_slot_create(fetcher->relation[segment], NULL);
	}
	slot = fetcher->slot[segment];
	if (!table_tuple_fetch_row_version(fetcher->relation[segment], &entry->tid,
									   fetcher->snapshot, slot))
		return NULL;
	slot_getallattrs(slot);
	return DatumGetInt64(slot->tts_values[EVENT_SEQ]) == entry->seq ?
		slot : NULL;
}

bool
jo_window_fetch_event(JoWindowFetcher *fetcher, JoWindowEntry *entry,
					  JoEvent *event)
{
	TupleTableSlot *slot = jo_window_fetch(fetcher, entry);
	Datum	   *values;
	bool	   *isnull;

	if (slot == NULL)
		return false;
	values = slot->tts_values;
	isnull = slot->tts_isnull;
	memset(event, 0, sizeof(JoEvent));
	event->seq = DatumGetInt64(values[EVENT_SEQ]);
	event->xid = DatumGetFullTransactionId(values[EVENT_XID]);
	event->instant = DatumGetTimestampTz(values[EVENT_INSTANT]);
	event->recorded_at = DatumGetTimestampTz(values[EVENT_RECORDED_AT]);
	event->has_occurred_at = !isnull[EVENT_OCCURRED_AT];
	if (event->has_occurred_at)
		event->occurred_at = DatumGetTimestampTz(values[EVENT_OCCURRED_AT]);
	if (!isnull[EVENT_WATCH_ID])
		event->watch_id = DatumGetInt32(values[EVENT_WATCH_ID]);
	event->kind = DatumGetChar(values[EVENT_KIND]);
	event->customer_id = TextDatumGetCString(values[EVENT_CUSTOMER_ID]);
	event->name = TextDatumGetCString(values[EVENT_NAME]);
	if (!isnull[EVENT_PAYLOAD])
		event->payload = (Jsonb *) PG_DETOAST_DATUM_COPY(values[EVENT_PAYLOAD]);
	if (!isnull[EVENT_TRACE])
		event->trace = TextDatumGetCString(values[EVENT_TRACE]);
	if (event->trace != NULL &&
		strncmp(event->trace, JO_TRACE_DEPTH, strlen(JO_TRACE_DEPTH)) == 0)
		event->depth = atoi(event->trace + strlen(JO_TRACE_DEPTH));
	event->act_seq = event->seq;
	event->identity = event->seq;
	return true;
}

void
jo_window_fetch_end(JoWindowFetcher *fetcher)
{
	for (int i = 0; i < JO_SEGMENTS_MAX; i++)
	{
		if (fetcher->relation[i] == NULL)
			continue;
		ExecDropSingleTupleTableSlot(fetcher->slot[i]);
		table_close(fetcher->relation[i], AccessShareLock);
	}
}
