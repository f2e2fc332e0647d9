/*
 * capture/window.c
 *	  Reading the event log without losing or repeating a row.
 *
 * A lane's window is every event finished in snapshot S2 and not finished in
 * S1.  It is ordered once, by ticket, and may be cut anywhere: the cursor keeps
 * (S1, S2, seq), and when the window is used up S1 becomes S2.  A writer that
 * stays idle in its transaction costs one index probe and holds up nobody.
 *
 * The index (xid, seq) leads to the pages on which a transaction has events:
 * one entry stands for the rows that a flush put on a page.  Rows of
 * rolled-back savepoints carry a committed xid and are only found invisible
 * when they are fetched.  A window larger than one batch is kept in
 * this backend, sorted, so that a backlog is sorted once and not once a batch.
 * That list is a cache: it is trusted only if the cursor is exactly where this
 * backend left it, in a window up to the very same snapshot, else it is read
 * again (test/isolation/specs/window_cache).  Its size is bounded
 * (WINDOW_ENTRIES): of a larger backlog the smallest tickets are kept.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_type_d.h"
#include "executor/tuptable.h"
#include "lib/qunique.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "capture/capture.h"
#include "capture/event_columns.h"
#include "core/snapshot.h"
#include "core/index.h"
#include "core/leaf.h"

/* Most entries of a window that are kept sorted in memory (24 MB). */
#define WINDOW_ENTRIES (1024 * 1024)

/*
 * A batch reads no further event when those it has carry so many bytes: its
 * memory must not depend on what users put into payloads.
 */
#define WINDOW_BYTES (32 * 1024 * 1024)

/* One event of a window: where it is. */
typedef struct WindowEntry
{
	int64		seq;
	ItemPointerData tid;
	int16		segment;
} WindowEntry;

/* A list of entries that keeps at most WINDOW_ENTRIES smallest tickets. */
typedef struct WindowList
{
	WindowEntry *entries;
	int			count;
	int			allocated;
	bool		is_partial;		/* larger tickets were left out */
} WindowList;

/* The rest of a window, as this backend left it after batch "batch". */
typedef struct WindowCache
{
	MemoryContext context;
	WindowList	list;
	int			next;
	int64		batch;
	int64		seq;
	JoSnapshot	s2;				/* whose xip lives in "context" */
} WindowCache;

static WindowCache window_cache[JO_LANES];

/* What to look for in the index. */
typedef struct WindowBounds
{
	const JoSnapshot *s1;
	const JoSnapshot *s2;		/* upper bound; NULL: none */
	int64		after;			/* only larger tickets ... */
	const JoSnapshot *after_in; /* ... of those finished in here */
} WindowBounds;

static int
compare_entries(const void *a, const void *b)
{
	const WindowEntry *left = a;
	const WindowEntry *right = b;

	if (left->seq != right->seq)
		return left->seq < right->seq ? -1 : 1;
	return ItemPointerCompare(unconstify(ItemPointerData *, &left->tid),
							  unconstify(ItemPointerData *, &right->tid));
}

/*
 * Sort by ticket, leave out rows that were found twice (by two index entries
 * that lead to one page), and keep at most WINDOW_ENTRIES.
 */
static void
sort_list(WindowList *list)
{
	if (list->count == 0)
		return;
	qsort(list->entries, list->count, sizeof(WindowEntry), compare_entries);
	list->count = qunique(list->entries, list->count, sizeof(WindowEntry),
						  compare_entries);
	if (list->count > WINDOW_ENTRIES)
	{
		list->count = WINDOW_ENTRIES;
		list->is_partial = true;
	}
}

static void
add_entry(WindowList *list, int64 seq, ItemPointer tid, int segment)
{
	WindowEntry *entry;

	if (list->count == 2 * WINDOW_ENTRIES)
		sort_list(list);
	if (list->count == list->allocated)
	{
		list->allocated = Max(64, list->allocated * 2);
		list->entries = list->entries == NULL ?
			palloc(list->allocated * sizeof(WindowEntry)) :
			repalloc_huge(list->entries,
						  list->allocated * sizeof(WindowEntry));
	}
	entry = &list->entries[list->count++];
	entry->seq = seq;
	entry->tid = *tid;
	entry->segment = segment;
}

/* May the transaction have events inside the bounds? */
static bool
is_in_reach(const WindowBounds *bounds, FullTransactionId xid)
{
	return !jo_snapshot_is_finished(bounds->s1, xid) &&
		(bounds->s2 == NULL || jo_snapshot_is_finished(bounds->s2, xid));
}

/* Is the event inside the bounds? */
static bool
is_wanted(const WindowBounds *bounds, FullTransactionId xid, int64 seq)
{
	if (!is_in_reach(bounds, xid))
		return false;
	return bounds->after_in == NULL || seq > bounds->after ||
		!jo_snapshot_is_finished(bounds->after_in, xid);
}

/* The open scan of one leaf's index. */
typedef struct LeafScan
{
	Relation	relation;
	Relation	index;
	IndexScanDesc scan;
	int			segment;
} LeafScan;

static void
open_leaf_scan(LeafScan *leaf, int lane, int segment, Snapshot snapshot)
{
	leaf->segment = segment;
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
 * Look at the rows that transaction "xid" has on a page.  With "list" those
 * within bounds are collected.  Without, returns true at the first of them that
 * "snapshot" sees.
 */
static bool
walk_page(LeafScan *leaf, BlockNumber block, FullTransactionId xid,
		  const WindowBounds *bounds, Snapshot snapshot, WindowList *list)
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
		bool		isnull;
		int64		seq;

		if (!ItemIdIsNormal(item))
			continue;
		tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
		tuple.t_len = ItemIdGetLength(item);
		tuple.t_tableOid = RelationGetRelid(leaf->relation);
		ItemPointerSet(&tuple.t_self, block, i);
		if (!FullTransactionIdEquals(xid,
									 DatumGetFullTransactionId(heap_getattr(&tuple, EVENT_XID + 1,
																			descriptor, &isnull))))
			continue;
		seq = DatumGetInt64(heap_getattr(&tuple, EVENT_SEQ + 1, descriptor,
										 &isnull));
		if (!is_wanted(bounds, xid, seq))
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
 * Walk the pages that index entries with xid = "xid" (or >= "xid") lead to: an
 * entry stands for all rows that its transaction wrote on its page at once
 * (event.c).  Returns as walk_page().
 */
static bool
walk_entries(LeafScan *leaf, StrategyNumber strategy, FullTransactionId xid,
			 const WindowBounds *bounds, Snapshot snapshot, WindowList *list)
{
	FullTransactionId last_xid = InvalidFullTransactionId;
	BlockNumber last_block = InvalidBlockNumber;
	ScanKeyData key;
	ItemPointer tid;
	bool		found = false;

	ScanKeyInit(&key, 1, strategy,
				strategy == BTEqualStrategyNumber ? F_XID8EQ : F_XID8GE,
				FullTransactionIdGetDatum(xid));
	index_rescan(leaf->scan, &key, 1, NULL, 0);
	while (!found &&
		   (tid = index_getnext_tid(leaf->scan, ForwardScanDirection)) != NULL)
	{
		BlockNumber block = ItemPointerGetBlockNumber(tid);
		FullTransactionId row_xid;
		bool		isnull;

		CHECK_FOR_INTERRUPTS();
		row_xid = DatumGetFullTransactionId(index_getattr(leaf->scan->xs_itup, 1,
														  leaf->scan->xs_itupdesc,
														  &isnull));

		/* Statements of one transaction often share a page. */
		if (block == last_block && FullTransactionIdEquals(row_xid, last_xid))
			continue;
		last_block = block;
		last_xid = row_xid;
		if (is_in_reach(bounds, row_xid))
			found = walk_page(leaf, block, row_xid, bounds, snapshot, list);
	}
	return found;
}

/* Walk all entries within bounds of all segments of a lane. */
static bool
walk_lane(int lane, const WindowBounds *bounds, Snapshot snapshot,
		  WindowList *list)
{
	int			segments = jo_leaf_segments(JO_EVENT, lane);
	bool		found = false;

	for (int segment = 0; segment < segments && !found; segment++)
	{
		LeafScan	leaf;

		open_leaf_scan(&leaf, lane, segment, snapshot);
		for (int i = 0; i < bounds->s1->nxip && !found; i++)
			found = walk_entries(&leaf, BTEqualStrategyNumber,
								 bounds->s1->xip[i], bounds, snapshot, list);
		if (!found)
			found = walk_entries(&leaf, BTGreaterEqualStrategyNumber,
								 bounds->s1->xmax, bounds, snapshot, list);
		close_leaf_scan(&leaf);
	}
	return found;
}

/* Copy one row of the log into CurrentMemoryContext. */
static void
read_event(TupleTableSlot *slot, JoEvent *event)
{
	Datum	   *values;
	bool	   *isnull;

	slot_getallattrs(slot);
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
}

/* The open leaves that rows are fetched from. */
typedef struct Fetcher
{
	Relation	relation[JO_SEGMENTS_MAX];
	TupleTableSlot *slot[JO_SEGMENTS_MAX];
} Fetcher;

/*
 * Read the row of an entry; false when the snapshot does not see it.  The entry
 * may be older than the snapshot: VACUUM may have removed the row of a
 * rolled-back savepoint since, and a later event may stand in its place.
 */
static bool
fetch_event(Fetcher *fetcher, int lane, WindowEntry *entry, Snapshot snapshot,
			JoEvent *event)
{
	int			segment = entry->segment;

	if (fetcher->relation[segment] == NULL)
	{
		fetcher->relation[segment] =
			table_open(jo_leaf_oid(JO_EVENT, lane, segment), AccessShareLock);
		fetcher->slot[segment] =
			table_slot_create(fetcher->relation[segment], NULL);
	}
	if (!table_tuple_fetch_row_version(fetcher->relation[segment], &entry->tid,
									   snapshot, fetcher->slot[segment]))
		return false;
	read_event(fetcher->slot[segment], event);
	return event->seq == entry->seq;
}

static void
close_fetcher(Fetcher *fetcher)
{
	for (int i = 0; i < JO_SEGMENTS_MAX; i++)
	{
		if (fetcher->relation[i] == NULL)
			continue;
		ExecDropSingleTupleTableSlot(fetcher->slot[i]);
		table_close(fetcher->relation[i], AccessShareLock);
	}
}

static bool
cache_is_at(const WindowCache *cache, const JoLaneCursor *cursor)
{
	return cache->context != NULL && cursor->has_s2 &&
		cache->batch == cursor->batch && cache->seq == cursor->seq &&
		jo_snapshot_equals(&cache->s2, &cursor->s2);
}

static void
drop_cache(WindowCache *cache)
{
	if (cache->context != NULL)
		MemoryContextDelete(cache->context);
	memset(cache, 0, sizeof(WindowCache));
}

/*
 * Fill the cache with the window that the cursor is in, after its position.
 * Opens a new window up to "snapshot" when the cursor is between windows.
 */
static void
read_window(WindowCache *cache, JoLaneCursor *cursor, Snapshot snapshot)
{
	WindowBounds bounds = {.s1 = &cursor->s1};
	MemoryContext caller;

	drop_cache(cache);
	if (!cursor->has_s2)
	{
		jo_snapshot_take(snapshot, &cursor->s2);
		cursor->has_s2 = true;
		cursor->seq = 0;
	}
	bounds.s2 = &cursor->s2;
	bounds.after = cursor->seq;
	bounds.after_in = &cursor->s2;

	cache->context = AllocSetContextCreate(TopMemoryContext,
										   "journey_orch window",
										   ALLOCSET_SMALL_SIZES);
	caller = MemoryContextSwitchTo(cache->context);
	walk_lane(cursor->lane, &bounds, snapshot, &cache->list);
	cache->s2 = cursor->s2;
	cache->s2.xip = palloc((cursor->s2.nxip + 1) * sizeof(FullTransactionId));
	memcpy(cache->s2.xip, cursor->s2.xip,
		   cursor->s2.nxip * sizeof(FullTransactionId));
	MemoryContextSwitchTo(caller);
	sort_list(&cache->list);
}

/* The window is used up: everything finished in S2 is applied. */
static void
finish_window(JoLaneCursor *cursor)
{
	cursor->s1 = cursor->s2;
	cursor->has_s2 = false;
	cursor->seq = 0;
}

/*
 * Leave the cache for the next batch: it is valid again if exactly this
 * position becomes batch + 1.
 */
static void
keep_cache(WindowCache *cache, const JoLaneCursor *cursor)
{
	cache->batch = cursor->batch + 1;
	cache->seq = cursor->seq;
	if (cache->next == cache->list.count)
		drop_cache(cache);
}

int
jo_event_window_read(JoLaneCursor *cursor, Snapshot snapshot, int limit,
					 TimestampTz until, JoEvent **events, JoWindowEnd *end)
{
	WindowCache *cache = &window_cache[cursor->lane];
	Fetcher		fetcher;
	bool		was_open = cursor->has_s2;
	int			count = 0;
	Size		bytes = 0;

	*end = JO_WINDOW_CUT;
	memset(&fetcher, 0, sizeof(fetcher));
	if (!cache_is_at(cache, cursor))
		read_window(cache, cursor, snapshot);
	*events = palloc(Max(1, Min(limit, cache->list.count - cache->next)) *
					 sizeof(JoEvent));
	while (count < limit && bytes < WINDOW_BYTES &&
		   cache->next < cache->list.count)
	{
		WindowEntry *entry = &cache->list.entries[cache->next];
		bool		visible;

		CHECK_FOR_INTERRUPTS();
		visible = fetch_event(&fetcher, cursor->lane, entry, snapshot,
							  &(*events)[count]);
		if (visible && (*events)[count].instant > until)
		{
			*end = JO_WINDOW_HELD;
			break;
		}
		cache->next++;
		cursor->seq = entry->seq;
		cursor->moved = true;
		if (!visible)
			continue;
		if ((*events)[count].payload != NULL)
			bytes += VARSIZE((*events)[count].payload);
		count++;
	}
	close_fetcher(&fetcher);

	if (cache->next < cache->list.count || cache->list.is_partial)
	{
		keep_cache(cache, cursor);
		return count;
	}
	drop_cache(cache);
	finish_window(cursor);
	/* a window that an earlier batch opened ended before this snapshot */
	if (was_open)
		cursor->moved = true;
	else
		*end = JO_WINDOW_EXHAUSTED;
	return count;
}

int
jo_event_pending_read(const JoLaneCursor *cursor, Snapshot snapshot,
					  JoEvent **events)
{
	WindowBounds bounds = {.s1 = &cursor->s1};
	WindowList	list = {NULL, 0, 0, false};
	Fetcher		fetcher;
	int			count = 0;

	if (cursor->has_s2)
	{
		bounds.after = cursor->seq;
		bounds.after_in = &cursor->s2;
	}
	memset(&fetcher, 0, sizeof(fetcher));
	walk_lane(cursor->lane, &bounds, snapshot, &list);
	qsort(list.entries, list.count, sizeof(WindowEntry), compare_entries);
	*events = palloc(Max(1, list.count) * sizeof(JoEvent));
	for (int i = 0; i < list.count; i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (fetch_event(&fetcher, cursor->lane, &list.entries[i], snapshot,
						&(*events)[count]))
			count++;
	}
	close_fetcher(&fetcher);
	return count;
}

bool
jo_lane_has_applied(int lane, const JoSnapshot *upto, Snapshot now)
{
	JoLaneCursor cursor;
	WindowBounds bounds = {.s1 = &cursor.s1,.s2 = upto};

	jo_lane_cursor_read(lane, now, &cursor);
	if (cursor.has_s2)
	{
		bounds.after = cursor.seq;
		bounds.after_in = &cursor.s2;
	}
	return !walk_lane(lane, &bounds, now, NULL);
}

bool
jo_lane_is_fresh(int lane, Snapshot snapshot)
{
	JoSnapshot	upto;

	jo_snapshot_take(snapshot, &upto);
	return jo_lane_has_applied(lane, &upto, snapshot);
}
