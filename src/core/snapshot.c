/*
 * core/snapshot.c
 *	  Stored snapshots: which transactions a lane has applied.
 *
 * A lane remembers the snapshot of its last finished window, because a
 * sequence is not a commit order: a transaction that drew a low ticket may
 * commit after one that drew a higher.  Stored snapshots are 64-bit, so they
 * survive xid wraparound, and have the layout of type pg_snapshot, so that a
 * DBA can read them.
 *
 * A backend's own xid is never in its own snapshot's xip.  A stored snapshot
 * must therefore list the storing transaction as unfinished, or the lane would
 * skip the events which that transaction goes on to write
 * (test/pgtap/window.sql).
 */
#include "postgres.h"

#include "access/transam.h"
#include "access/xact.h"
#include "fmgr.h"
#include "utils/snapmgr.h"

#include "core/snapshot.h"

/* The documented binary layout of type pg_snapshot (utils/adt/xid8funcs.c). */
typedef struct StoredSnapshot
{
	int32		vl_len_;
	uint32		nxip;
	FullTransactionId xmin;
	FullTransactionId xmax;
	FullTransactionId xip[FLEXIBLE_ARRAY_MEMBER];
} StoredSnapshot;

/* Give a 32-bit xid of a snapshot its epoch; "next" is the next xid to come. */
static FullTransactionId
widen(TransactionId xid, FullTransactionId next)
{
	uint32		epoch = EpochFromFullTransactionId(next);

	if (!TransactionIdIsNormal(xid))
		return FullTransactionIdFromEpochAndXid(0, xid);
	if (xid > XidFromFullTransactionId(next))
		epoch--;
	return FullTransactionIdFromEpochAndXid(epoch, xid);
}

static int
compare_full_xids(const void *a, const void *b)
{
	uint64		left = U64FromFullTransactionId(*(const FullTransactionId *) a);
	uint64		right = U64FromFullTransactionId(*(const FullTransactionId *) b);

	return (left > right) - (left < right);
}

/*
 * The 64-bit form of an MVCC snapshot, in CurrentMemoryContext, with the
 * current transaction (if it has an xid) listed as unfinished.
 */
void
jo_snapshot_take(Snapshot snapshot, JoSnapshot *result)
{
	FullTransactionId next = ReadNextFullTransactionId();
	FullTransactionId own = GetTopFullTransactionIdIfAny();

	result->xmin = widen(snapshot->xmin, next);
	result->xmax = widen(snapshot->xmax, next);
	result->xip = palloc((snapshot->xcnt + 1) * sizeof(FullTransactionId));
	result->nxip = 0;
	for (uint32 i = 0; i < snapshot->xcnt; i++)
		result->xip[result->nxip++] = widen(snapshot->xip[i], next);
	if (FullTransactionIdIsValid(own) &&
		FullTransactionIdPrecedes(own, result->xmax))
	{
		result->xip[result->nxip++] = own;
		if (FullTransactionIdPrecedes(own, result->xmin))
			result->xmin = own;
	}
	qsort(result->xip, result->nxip, sizeof(FullTransactionId),
		  compare_full_xids);
}

/* Had the transaction ended when the snapshot was taken? */
bool
jo_snapshot_is_finished(const JoSnapshot *snapshot, FullTransactionId xid)
{
	if (FullTransactionIdPrecedes(xid, snapshot->xmin))
		return true;
	if (!FullTransactionIdPrecedes(xid, snapshot->xmax))
		return false;
	return bsearch(&xid, snapshot->xip, snapshot->nxip,
				   sizeof(FullTransactionId), compare_full_xids) == NULL;
}

/* Had the same transactions ended in both? */
bool
jo_snapshot_equals(const JoSnapshot *a, const JoSnapshot *b)
{
	return FullTransactionIdEquals(a->xmin, b->xmin) &&
		FullTransactionIdEquals(a->xmax, b->xmax) && a->nxip == b->nxip &&
		(a->nxip == 0 ||
		 memcmp(a->xip, b->xip, a->nxip * sizeof(FullTransactionId)) == 0);
}

/* Snapshot of the beginning of time: nothing had ended. */
void
jo_snapshot_empty(JoSnapshot *result)
{
	result->xmin = FirstNormalFullTransactionId;
	result->xmax = FirstNormalFullTransactionId;
	result->nxip = 0;
	result->xip = NULL;
}

/* As a Datum of type pg_snapshot, in CurrentMemoryContext. */
Datum
jo_snapshot_store(const JoSnapshot *snapshot)
{
	StoredSnapshot *stored;
	Size		size;

	size = offsetof(StoredSnapshot, xip) +
		snapshot->nxip * sizeof(FullTransactionId);
	stored = palloc(size);
	SET_VARSIZE(stored, size);
	stored->nxip = snapshot->nxip;
	stored->xmin = snapshot->xmin;
	stored->xmax = snapshot->xmax;
	if (snapshot->nxip > 0)
		memcpy(stored->xip, snapshot->xip,
			   snapshot->nxip * sizeof(FullTransactionId));
	return PointerGetDatum(stored);
}

/* From a Datum of type pg_snapshot, copied into CurrentMemoryContext. */
void
jo_snapshot_load(Datum datum, JoSnapshot *result)
{
	StoredSnapshot *stored = (StoredSnapshot *) PG_DETOAST_DATUM(datum);

	result->xmin = stored->xmin;
	result->xmax = stored->xmax;
	result->nxip = stored->nxip;
	result->xip = palloc(Max(stored->nxip, 1) * sizeof(FullTransactionId));
	memcpy(result->xip, stored->xip,
		   stored->nxip * sizeof(FullTransactionId));
}
