/*
 * core/live.h
 *	  Live rows: found by customer, updated in place (HOT), deleted by tid.
 *
 * The live tables (enrollment, entry_memory, message, planned_entry) have one leaf a lane and
 * one index of ours, on customer_id, which never changes; only the lane's one writer
 * changes their rows, so no update ever waits or finds a newer version.  New
 * rows are appended with core/append.h.
 */
#ifndef JO_LIVE_H
#define JO_LIVE_H

#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef struct JoLive JoLive;

/*
 * Open a table with an index on its first column, text COLLATE "C", alone.
 * The lock is kept to the end of the transaction.  Lives in
 * CurrentMemoryContext.
 */
extern JoLive *jo_live_open(Oid relid, LOCKMODE lockmode);

extern TupleDesc jo_live_descriptor(JoLive *live);

/* Look for the rows of a customer; then fetch one after the other.  The slot is
 * the reader's own and holds until the next call; NULL: no more. */
extern void jo_live_find(JoLive *live, Snapshot snapshot, const char *customer_id);
extern TupleTableSlot *jo_live_next(JoLive *live);

/* Replace the row at "tid". */
extern void jo_live_update(JoLive *live, ItemPointer tid, Datum *values,
						   bool *isnull);

/* Remove the row at "tid". */
extern void jo_live_delete(JoLive *live, ItemPointer tid);

/* End scans and close; not needed on error paths. */
extern void jo_live_close(JoLive *live);

#endif							/* JO_LIVE_H */
