/*
 * core/live.c
 *	  Live rows: found by customer, updated in place (HOT), deleted by tid.
 *
 * Rows are read with the batch's snapshot and written by the same
 * transaction, which holds the lane: between the two nobody else can have
 * changed them (test/isolation/specs/lane_writer.spec).
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "core/compat.h"
#include "core/index.h"
#include "core/live.h"

struct JoLive
{
	Relation	relation;
	Relation	index;
	IndexScanDesc scan;			/* NULL until the first look-up */
	text	   *key;			/* of the look-up under way */
	TupleTableSlot *slot;
	bool		is_empty;		/* no block: nothing to look up */
	MemoryContext context;		/* where all this lives */
	JoIndexWriter *writer;		/* made by the first update that needs it */
	TupleTableSlot *written;
};

JoLive *
jo_live_open(Oid relid, LOCKMODE lockmode)
{
	JoLive	   *live = palloc0(sizeof(JoLive));

	live->context = CurrentMemoryContext;
	live->relation = table_open(relid, lockmode);
	live->index = jo_index_open(live->relation, 1, 0, lockmode);
	live->slot = table_slot_create(live->relation, NULL);
	live->is_empty = RelationGetNumberOfBlocks(live->relation) == 0;
	return live;
}

TupleDesc
jo_live_descriptor(JoLive *live)
{
	return RelationGetDescr(live->relation);
}

void
jo_live_find(JoLive *live, Snapshot snapshot, const char *customer_id)
{
	ScanKeyData key;

	if (live->is_empty)
		return;
	if (live->scan == NULL)
		live->scan = index_beginscan(live->relation, live->index, snapshot,
									 1, 0);
	if (live->key != NULL)
		pfree(live->key);
	live->key = cstring_to_text(customer_id);
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ,
				PointerGetDatum(live->key));
	index_rescan(live->scan, &key, 1, NULL, 0);
}

TupleTableSlot *
jo_live_next(JoLive *live)
{
	if (live->is_empty ||
		!index_getnext_slot(live->scan, ForwardScanDirection, live->slot))
		return NULL;
	slot_getallattrs(live->slot);
	return live->slot;
}

/* Enter a new version that is not HOT in every index. */
static void
write_index_entries(JoLive *live, HeapTuple tuple, bool only_summarizing)
{
	if (live->writer == NULL)
	{
		MemoryContext old_context = MemoryContextSwitchTo(live->context);

		live->writer = jo_index_writer_begin(live->relation);
		live->written = MakeSingleTupleTableSlot(RelationGetDescr(live->relation),
												 &TTSOpsHeapTuple);
		MemoryContextSwitchTo(old_context);
	}
	ExecStoreHeapTuple(tuple, live->written, false);
	jo_index_write(live->writer, live->written, only_summarizing);
	ExecClearTuple(live->written);
}

void
jo_live_update(JoLive *live, ItemPointer tid, Datum *values, bool *isnull)
{
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(live->relation),
										values, isnull);
	bool		only_summarizing;

	if (jo_heap_update(live->relation, tid, tuple, &only_summarizing))
		write_index_entries(live, tuple, only_summarizing);
	heap_freetuple(tuple);
}

void
jo_live_delete(JoLive *live, ItemPointer tid)
{
	simple_heap_delete(live->relation, tid);
}

void
jo_live_close(JoLive *live)
{
	if (live->scan != NULL)
		index_endscan(live->scan);
	if (live->writer != NULL)
	{
		jo_index_writer_end(live->writer);
		ExecDropSingleTupleTableSlot(live->written);
	}
	ExecDropSingleTupleTableSlot(live->slot);
	index_close(live->index, NoLock);
	table_close(live->relation, NoLock);
	if (live->key != NULL)
		pfree(live->key);
	pfree(live);
}
