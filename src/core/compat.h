/*
 * core/compat.h
 *	  The only place that looks at PG_VERSION_NUM: PostgreSQL 14 to 18.
 *
 * A room that needs something of one version only asks here for a name that
 * means the same everywhere.
 */
#ifndef JO_COMPAT_H
#define JO_COMPAT_H

#if PG_VERSION_NUM < 140000
#error "journey_orch needs PostgreSQL 14 or later"
#endif

#include "access/genam.h"
#include "access/heapam.h"
#include "executor/executor.h"

/* 17: an index access method may hold state for the whole of an insert. */
#if PG_VERSION_NUM >= 170000
#define jo_index_insert_cleanup(index, info) index_insert_cleanup(index, info)
#else
#define jo_index_insert_cleanup(index, info) ((void) 0)
#endif

/*
 * 16: a HOT update may still have to touch summarizing indexes.  True when an
 * index needs an entry.
 */
static inline bool
jo_heap_update(Relation relation, ItemPointer tid, HeapTuple tuple,
			   bool *only_summarizing)
{
#if PG_VERSION_NUM >= 160000
	TU_UpdateIndexes update_indexes;

	simple_heap_update(relation, tid, tuple, &update_indexes);
	*only_summarizing = update_indexes == TU_Summarizing;
	return update_indexes != TU_None;
#else
	simple_heap_update(relation, tid, tuple);
	*only_summarizing = false;
	return !HeapTupleIsHeapOnly(tuple);
#endif
}

static inline void
jo_insert_index_tuples(ResultRelInfo *target, TupleTableSlot *slot,
					   EState *estate, bool only_summarizing)
{
#if PG_VERSION_NUM >= 160000
	list_free(ExecInsertIndexTuples(target, slot, estate, false, false, NULL,
									NIL, only_summarizing));
#else
	list_free(ExecInsertIndexTuples(target, slot, estate, false, false, NULL,
									NIL));
#endif
}

/* 16: these moved out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#endif							/* JO_COMPAT_H */
