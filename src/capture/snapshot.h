/*
 * capture/snapshot.h
 *	  Stored snapshots (see snapshot.c).
 */
#ifndef JO_SNAPSHOT_H
#define JO_SNAPSHOT_H

#include "capture/capture.h"

extern void jo_snapshot_take(Snapshot snapshot, JoSnapshot *result);
extern bool jo_snapshot_is_finished(const JoSnapshot *snapshot,
									FullTransactionId xid);
extern bool jo_snapshot_equals(const JoSnapshot *a, const JoSnapshot *b);
extern void jo_snapshot_empty(JoSnapshot *result);
extern Datum jo_snapshot_store(const JoSnapshot *snapshot);
extern void jo_snapshot_load(Datum datum, JoSnapshot *result);

#endif							/* JO_SNAPSHOT_H */
