/*
 * enrollment/digest.c
 *	  What the digests of runs have collected.
 *
 * Collecting an event costs one row of digest_event and does not touch the
 * run's: neither its context nor a list in it is written again and again.  The
 * payloads are read once, when the digest ends, and the rows go then; so the
 * rows of a run are those of the visit under way.  (A trial deletes nothing, so
 * whoever reads looks at the visit.)
 *
 * An event is collected at most once by a run: the one that ended a digest does
 * not also begin the next one that the run comes to (JoRun.is_spent).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

#include "core/append.h"
#include "core/index.h"
#include "core/leaf.h"
#include "enrollment/careful.h"

/* Columns of digest_event, in the order of state.sql. */
enum
{
	ITEM_ENROLLMENT_ID,
	ITEM_EVENT_ID,
	ITEM_VISIT,
	ITEM_ORDINAL,
	ITEM_LANE,
	ITEM_CUSTOMER_ID,
	ITEM_PAYLOAD,
	ITEM_COLUMNS
};

/* One that was collected in this batch. */
typedef struct Collected
{
	int64		event_id;
	Jsonb	   *payload;
} Collected;

typedef struct JoDigest
{
	int32		visit;			/* that the next two are about */
	int			stored;			/* rows it has in the table */
	List	   *fresh;			/* of Collected *: after those */
	List	   *gone;			/* of ItemPointer: rows to delete */
} JoDigest;

/* A scan of a run's rows, in the order of collection. */
typedef struct ItemScan
{
	Relation	table;
	Relation	index;
	IndexScanDesc scan;			/* NULL: the table is empty */
	TupleTableSlot *slot;
	int32		visit;
} ItemScan;

static void
begin_scan(ItemScan *items, JoBatch *batch, const JoRun *run)
{
	ScanKeyData key;

	memset(items, 0, sizeof(ItemScan));
	items->visit = run->visit;
	items->table = table_open(jo_leaf_oid(JO_DIGEST_EVENT, batch->lane, 0),
							  AccessShareLock);
	if (RelationGetNumberOfBlocks(items->table) == 0)
		return;
	items->index = jo_index_open(items->table, ITEM_ENROLLMENT_ID + 1,
								 ITEM_ORDINAL + 1, AccessShareLock);
	items->slot = table_slot_create(items->table, NULL);
	items->scan = index_beginscan(items->table, items->index, batch->snapshot,
								  1, 0);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_UUID_EQ,
				UUIDPGetDatum(&run->id));
	index_rescan(items->scan, &key, 1, NULL, 0);
}

/* The next row of the visit; NULL: no more. */
static TupleTableSlot *
next_item(ItemScan *items, ScanDirection direction)
{
	while (items->scan != NULL &&
		   index_getnext_slot(items->scan, direction, items->slot))
	{
		slot_getallattrs(items->slot);
		if (DatumGetInt32(items->slot->tts_values[ITEM_VISIT]) == items->visit)
			return items->slot;
	}
	return NULL;
}

static void
end_scan(ItemScan *items)
{
	if (items->scan != NULL)
	{
		index_endscan(items->scan);
		index_close(items->index, NoLock);
		ExecDropSingleTupleTableSlot(items->slot);
	}
	table_close(items->table, NoLock);
}

/* How many rows the visit has: they are numbered without a gap. */
static int
count_stored(JoBatch *batch, const JoRun *run)
{
	ItemScan	items;
	TupleTableSlot *slot;
	int			stored = 0;

	begin_scan(&items, batch, run);
	slot = next_item(&items, BackwardScanDirection);
	if (slot != NULL)
		stored = DatumGetInt32(slot->tts_values[ITEM_ORDINAL]);
	end_scan(&items);
	return stored;
}

/* What the run's visit has collected so far, looked up when that is new. */
static JoDigest *
get_digest(JoBatch *batch, JoRun *run)
{
	JoDigest   *digest = run->digest;

	if (digest == NULL)
		digest = run->digest =
			MemoryContextAllocZero(GetMemoryChunkContext(run),
								   sizeof(JoDigest));
	if (digest->visit != run->visit)
	{
		digest->visit = run->visit;
		digest->stored = run->is_stored ? count_stored(batch, run) : 0;
		digest->fresh = NIL;
	}
	return digest;
}

/* Has a digest of this journey, step and key ended within the look-back? */
static bool
follows_another(const JoRun *run)
{
	const JoStep *step = &run->graph->steps[run->step];
	TimestampTz last = jo_memory_last_digest(run);

	return last != JO_NO_TIME && run->member->now <
		jo_duration_add(last, &step->u.digest.look_back, jo_run_timezone(run));
}

/*
 * Collect the event that the run stands by.  Returns why the digest is over
 * with it, or NULL.
 */
const char *
jo_digest_collect(JoBatch *batch, JoRun *run)
{
	const JoStep *step = &run->graph->steps[run->step];
	JoDigest   *digest = get_digest(batch, run);
	MemoryContext caller = MemoryContextSwitchTo(GetMemoryChunkContext(run));
	Collected  *item = palloc(sizeof(Collected));
	int			count;

	item->event_id = run->event_id;
	item->payload = run->event != NULL ? run->event : run->entry_event;
	digest->fresh = lappend(digest->fresh, item);
	run->is_spent = true;
	MemoryContextSwitchTo(caller);
	count = digest->stored + list_length(digest->fresh);
	if (count >= step->u.digest.max)
		return "max";
	if (count == 1 && step->u.digest.has_look_back && !follows_another(run))
		return "look_back";
	return NULL;
}

/*
 * Mark all that is stored as gone; with "payloads" not NULL, read it first
 * (a list of Jsonb * in CurrentMemoryContext).
 */
static void
take_stored(JoBatch *batch, JoRun *run, List **payloads)
{
	JoDigest   *digest = run->digest;
	MemoryContext caller = CurrentMemoryContext;
	ItemScan	items;
	TupleTableSlot *slot;

	if (digest->stored == 0)
		return;
	begin_scan(&items, batch, run);
	while ((slot = next_item(&items, ForwardScanDirection)) != NULL)
	{
		ItemPointer tid;

		if (payloads != NULL)
			*payloads = lappend(*payloads,
								PG_DETOAST_DATUM_COPY(slot->tts_values[ITEM_PAYLOAD]));
		MemoryContextSwitchTo(GetMemoryChunkContext(run));
		tid = palloc(sizeof(ItemPointerData));
		*tid = slot->tts_tid;
		digest->gone = lappend(digest->gone, tid);
		MemoryContextSwitchTo(caller);
	}
	end_scan(&items);
	digest->stored = 0;
}

/* The last "max" of the payloads as a JSON array. */
static Jsonb *
make_array(const List *payloads, int max)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = Max(list_length(payloads) - max, 0);
		 i < list_length(payloads); i++)
	{
		Jsonb	   *payload = list_nth(payloads, i);
		JsonbValue	item;

		if (JB_ROOT_IS_SCALAR(payload))
			JsonbExtractScalar(&payload->root, &item);
		else
		{
			item.type = jbvBinary;
			item.val.binary.data = &payload->root;
			item.val.binary.len = VARSIZE(payload) - VARHDRSZ;
		}
		pushJsonbValue(&state, WJB_ELEM, &item);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

/*
 * The digest that the run stands at is over: its list, and when it was, is
 * remembered for the look-back of the next.
 */
Jsonb *
jo_digest_finish(JoBatch *batch, JoRun *run)
{
	const JoStep *step = &run->graph->steps[run->step];
	JoDigest   *digest = get_digest(batch, run);
	List	   *payloads = NIL;
	ListCell   *cell;

	take_stored(batch, run, &payloads);
	foreach(cell, digest->fresh)
		payloads = lappend(payloads, ((Collected *) lfirst(cell))->payload);
	digest->fresh = NIL;
	jo_memory_digested(run);
	return make_array(payloads, step->u.digest.max);
}

/* The run leaves its step in another way: nothing of a digest is kept. */
void
jo_digest_drop(JoBatch *batch, JoRun *run)
{
	const JoGraph *graph = run->graph;

	/* Where the graph is gone, the step may have been one. */
	if (graph->nsteps > 0 && graph->steps[run->step].verb != JO_DIGEST)
		return;
	(void) get_digest(batch, run);
	take_stored(batch, run, NULL);
	run->digest->fresh = NIL;
}

static void
write_item(JoBatch *batch, const JoRun *run, JoAppend *append,
		   const Collected *item, int ordinal)
{
	Datum		values[ITEM_COLUMNS];
	bool		isnull[ITEM_COLUMNS] = {false};

	values[ITEM_ENROLLMENT_ID] = UUIDPGetDatum(&run->id);
	values[ITEM_EVENT_ID] = Int64GetDatum(item->event_id);
	values[ITEM_VISIT] = Int32GetDatum(run->visit);
	values[ITEM_ORDINAL] = Int32GetDatum(ordinal);
	values[ITEM_LANE] = Int16GetDatum(batch->lane);
	values[ITEM_CUSTOMER_ID] =
		CStringGetTextDatum(run->member->customer_id);
	values[ITEM_PAYLOAD] = JsonbPGetDatum(item->payload);
	jo_append_row(append, values, isnull);
}

/* Append what a run has collected in this batch. */
static void
write_fresh(JoBatch *batch, const JoRun *run, JoAppend **append)
{
	const JoDigest *digest = run->digest;
	int			ordinal = digest->stored;
	ListCell   *cell;

	if (digest->fresh == NIL)
		return;
	if (*append == NULL)
		*append = jo_append_begin(jo_leaf_oid(JO_DIGEST_EVENT, batch->lane, 0));
	foreach(cell, digest->fresh)
		write_item(batch, run, *append, lfirst(cell), ++ordinal);
	if (batch->care != NULL)
	{
		jo_append_end(*append);
		*append = NULL;
	}
}

static void
delete_gone(JoBatch *batch, const JoRun *run, Relation *table)
{
	ListCell   *cell;

	if (run->digest->gone != NIL && *table == NULL)
		*table = table_open(jo_leaf_oid(JO_DIGEST_EVENT, batch->lane, 0),
							RowExclusiveLock);
	foreach(cell, run->digest->gone)
		simple_heap_delete(*table, lfirst(cell));
}

/* Write what the batch did to digests; a trial does not delete. */
void
jo_digest_write(JoBatch *batch, bool deletes)
{
	JoAppend   *append = NULL;
	Relation	table = NULL;
	ListCell   *member_cell;
	ListCell   *cell;

	foreach(member_cell, batch->members)
	{
		const JoMember *member = lfirst(member_cell);

		foreach(cell, member->runs)
		{
			JoRun	   *run = lfirst(cell);

			if (run->digest == NULL)
				continue;
			jo_care_blame(batch, run, run->graph);
			if (deletes)
				delete_gone(batch, run, &table);
			write_fresh(batch, run, &append);
		}
	}
	if (append != NULL)
		jo_append_end(append);
	if (table != NULL)
		table_close(table, NoLock);
}
