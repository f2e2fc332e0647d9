/*
 * permission/probe.h
 *	  Finding rows of the gates' tables by index.
 */
#ifndef JO_PROBE_H
#define JO_PROBE_H

#include "executor/tuptable.h"
#include "utils/snapshot.h"

typedef struct JoProbe JoProbe;

/*
 * Look into a table by its index on "column" (text COLLATE "C", or bytea)
 * alone.  Lives in CurrentMemoryContext; not closed on error paths.
 */
extern JoProbe *jo_probe_open(const char *table, AttrNumber column,
							  Snapshot snapshot);
extern bool jo_probe_is_empty(const JoProbe *probe);

/* Look for a value; then fetch one row after the other, NULL: no more.  A row
 * holds, with all its columns, until the next call. */
extern void jo_probe_find_text(JoProbe *probe, const char *value);
extern void jo_probe_find_bytes(JoProbe *probe, const bytea *value);
extern TupleTableSlot *jo_probe_next(JoProbe *probe);
extern void jo_probe_close(JoProbe *probe);

/* A column, 0 the first, as a string or NULL; as an instant or JO_NO_TIME. */
extern const char *jo_probe_text(TupleTableSlot *slot, int column);
extern TimestampTz jo_probe_time(TupleTableSlot *slot, int column);

#endif							/* JO_PROBE_H */
