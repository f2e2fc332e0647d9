/*
 * core/snapshot.h
 *	  Stored snapshots (see snapshot.c).
 */
#ifndef JO_SNAPSHOT_H
#define JO_SNAPSHOT_H

#include "access/transam.h"
#include "utils/snapshot.h"

/* A snapshot as it is stored: 64-bit, and never containing its own writer. */
typedef struct JoSnapshot
{
	FullTransactionId xmin;
	FullTransactionId xmax;
	int			nxip;
	FullTransactionId *xip;		/* sorted */
} JoSnapshot;

extern void jo_snapshot_take(Snapshot snapshot, JoSnapshot *result);
extern bool jo_snapshot_is_finished(const JoSnapshot *snapshot,
									FullTransactionId xid);
extern bool jo_snapshot_equals(const JoSnapshot *a, const JoSnapshot *b);
extern void jo_snapshot_empty(JoSnapshot *result);
extern Datum jo_snapshot_store(const JoSnapshot *snapshot);
extern void jo_snapshot_load(Datum datum, JoSnapshot *result);

#endif							/* JO_SNAPSHOT_H */
