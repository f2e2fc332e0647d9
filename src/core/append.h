/*
 * core/append.h
 *	  Bulk append into one leaf (or any table of ours), indexes included.
 *
 * Bypasses the SQL layer: no privileges, triggers or constraints are looked
 * at, because only our own tables, which have none, are written this way.
 * Rows are formed at once into the append's own memory and written by
 * table_multi_insert, a page or at most JO_APPEND_ROWS at a time.
 */
#ifndef JO_APPEND_H
#define JO_APPEND_H

#include "access/htup.h"
#include "utils/rel.h"

/* Few enough that the slots of all lanes together stay in a core's cache. */
#define JO_APPEND_ROWS 100

typedef struct JoAppend JoAppend;

/*
 * Open "relid" for appending.  Takes RowExclusiveLock, kept to the end of the
 * transaction.  Everything lives in a child of CurrentMemoryContext.
 */
extern JoAppend *jo_append_begin(Oid relid);

/* Tuple descriptor of the target, to size values[] and isnull[]. */
extern TupleDesc jo_append_descriptor(JoAppend *append);

/* Append one row; the values may be freed as soon as this returns. */
extern void jo_append_row(JoAppend *append, Datum *values, bool *isnull);

/*
 * Append a row that was formed already, allocated in jo_append_row_context() in
 * one piece, and now the append's.
 */
extern void jo_append_tuple(JoAppend *append, HeapTuple tuple);
extern MemoryContext jo_append_row_context(JoAppend *append);

/* Write what is buffered, close indexes, free.  Not called on error paths. */
extern void jo_append_end(JoAppend *append);

#endif							/* JO_APPEND_H */
