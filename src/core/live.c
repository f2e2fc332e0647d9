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
#include "catalog/index.h"
#include "storage/bufmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"

#include "core/compat.h"
#include "core/live.h"

struct JoLive
{
	Relation	relation;
	Relation	index;
	IndexScanDesc scan;			/* NULL until the first look-up */
	TupleTableSlot *slot;
	bool		is_empty;		/* no block: nothing to look up */
};

JoLive *
jo_live_open(Oid relid, LOCKMODE lockmode)
{
	JoLive	   *live = palloc0(sizeof(JoLive));
	List	   *indexes;

	live->relation = table_open(relid, lockmode);
	indexes = RelationGetIndexList(live->relation);
	if (indexes == NIL)
		elog(ERROR, "table \"%s\" has no index",
			 RelationGetRelationName(live->relation));
	live->index = index_open(linitial_oid(indexes), lockmode);
	list_free(indexes);
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
	ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_TEXTEQ,
				CStringGetTextDatum(customer_id));
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

/* Index a new version that did not fit on its page, so is not HOT. */
static void
insert_index_entry(JoLive *live, HeapTuple tuple)
{
	IndexInfo  *info = BuildIndexInfo(live->index);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(live->relation),
													&TTSOpsHeapTuple);
	Datum		values[INDEX_MAX_KEYS];
	bool		isnull[INDEX_MAX_KEYS];

	ExecStoreHeapTuple(tuple, slot, false);
	FormIndexDatum(info, slot, NULL, values, isnull);
	index_insert(live->index, values, isnull, &tuple->t_self, live->relation,
				 UNIQUE_CHECK_NO, false, info);
	ExecDropSingleTupleTableSlot(slot);
}

void
jo_live_update(JoLive *live, ItemPointer tid, Datum *values, bool *isnull)
{
	HeapTuple	tuple = heap_form_tuple(RelationGetDescr(live->relation),
										values, isnull);

	jo_heap_update(live->relation, tid, tuple);
	if (!HeapTupleIsHeapOnly(tuple))
		insert_index_entry(live, tuple);
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
	ExecDropSingleTupleTableSlot(live->slot);
	index_close(live->index, NoLock);
	table_close(live->relation, NoLock);
	pfree(live);
}
