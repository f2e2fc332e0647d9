/*
 * core/index.h
 *	  The indexes of our leaves: finding the one to read by, and entering rows
 *	  in all of them.
 */
#ifndef JO_INDEX_H
#define JO_INDEX_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"
#include "utils/rel.h"

/*
 * Open the B-tree of "relation" whose columns are exactly "first" and "second"
 * (0: only one column); an administrator may have added others.  Raises when
 * there is none; jo_index_find() returns NULL.
 */
extern Relation jo_index_find(Relation relation, AttrNumber first,
							  AttrNumber second, LOCKMODE lockmode);
extern Relation jo_index_open(Relation relation, AttrNumber first,
							  AttrNumber second, LOCKMODE lockmode);

/*
 * True for the predicate of an index that has one entry for the rows that one
 * flush of jo_append put on a page, not one a row: WHERE
 * journey_orch._leads_page(column).  The predicate is true for every row; it is
 * there because the planner must not take the index for one of all rows, and
 * whoever fills it otherwise (REINDEX, UPDATE) makes it only larger.  Its reader
 * looks at the whole page.
 */
extern bool jo_index_is_by_page(List *predicate);

/*
 * What index_insert() needs to know of an index, in CurrentMemoryContext, and
 * whether it is by page.
 */
extern IndexInfo *jo_index_info(Relation index, bool *is_by_page);

/*
 * Enters rows in every index that "relation" has, whatever its kind.  Made in
 * CurrentMemoryContext; not ended on error paths.
 */
typedef struct JoIndexWriter JoIndexWriter;

extern JoIndexWriter *jo_index_writer_begin(Relation relation);

/* "only_summarizing": of a HOT update, from PostgreSQL 16. */
extern void jo_index_write(JoIndexWriter *writer, TupleTableSlot *slot,
						   bool only_summarizing);
extern void jo_index_writer_end(JoIndexWriter *writer);

#endif							/* JO_INDEX_H */
