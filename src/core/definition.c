/*
 * core/definition.c
 *	  Changes of definitions, as transactions see them.
 *
 * A commit makes its rows visible first and sends its invalidation messages
 * after.  A batch that takes its snapshot in between sees the events of the
 * transaction, but its caches do not know yet what the same transaction
 * published: the events would be applied without the journey that was meant
 * for them.  (Seen by stopping a backend there with a debugger; tests cannot,
 * because injection points begin with PostgreSQL 17.)
 *
 * So every change also appends a row to definition_change with its transaction
 * id.  A batch probes for rows that its snapshot sees and that were not
 * finished when this backend last looked, the way a lane's window finds events,
 * and forgets its caches when there are any.  Refilled, they are read with a
 * newer snapshot than the batch's.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/tuptable.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#include "core/append.h"
#include "core/cache.h"
#include "core/definition.h"
#include "core/index.h"
#include "core/internal.h"
#include "core/leaf.h"
#include "core/snapshot.h"

/* Columns of table definition_change. */
enum
{
	CHANGE_XID,
	CHANGE_RECORDED_AT,
	CHANGE_COLUMNS
};

/* Changes finished here are in the caches, or the caches are stale. */
static JoSnapshot adopted;
static bool has_adopted = false;

void
jo_definition_changed(const char *table)
{
	JoAppend   *append;
	Datum		values[CHANGE_COLUMNS];
	bool		isnull[CHANGE_COLUMNS] = {false};

	jo_cache_invalidate(table);
	values[CHANGE_XID] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[CHANGE_RECORDED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	append = jo_append_begin(jo_relation_oid("definition_change"));
	jo_append_row(append, values, isnull);
	jo_append_end(append);
}

/* Is there a visible change with this xid (or a later one) to be adopted? */
static bool
find_change(IndexScanDesc scan, TupleTableSlot *slot, StrategyNumber strategy,
			FullTransactionId xid)
{
	ScanKeyData key;

	ScanKeyInit(&key, 1, strategy,
				strategy == BTEqualStrategyNumber ? F_XID8EQ : F_XID8GE,
				FullTransactionIdGetDatum(xid));
	index_rescan(scan, &key, 1, NULL, 0);
	return index_getnext_slot(scan, ForwardScanDirection, slot);
}

static bool
has_changed(Snapshot snapshot)
{
	Relation	relation = table_open(jo_relation_oid("definition_change"),
									  AccessShareLock);
	Relation	index = jo_index_open(relation, CHANGE_XID + 1, 0,
									  AccessShareLock);
	IndexScanDesc scan = index_beginscan(relation, index, snapshot, 1, 0);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	bool		found;

	found = find_change(scan, slot, BTGreaterEqualStrategyNumber,
						adopted.xmax);
	for (int i = 0; i < adopted.nxip && !found; i++)
		found = find_change(scan, slot, BTEqualStrategyNumber,
							adopted.xip[i]);

	ExecDropSingleTupleTableSlot(slot);
	index_endscan(scan);
	index_close(index, AccessShareLock);
	table_close(relation, AccessShareLock);
	return found;
}

void
jo_definition_adopt(Snapshot snapshot)
{
	MemoryContext caller;

	if (has_adopted && !has_changed(snapshot))
		return;
	jo_cache_forget();
	if (has_adopted && adopted.xip != NULL)
		pfree(adopted.xip);
	has_adopted = false;
	caller = MemoryContextSwitchTo(TopMemoryContext);
	jo_snapshot_take(snapshot, &adopted);
	MemoryContextSwitchTo(caller);
	has_adopted = true;
}
