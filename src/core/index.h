/*
 * core/index.h
 *	  The indexes of our leaves: finding the one to read by, and entering rows
 *	  in all of them.
 */
#ifndef JO_INDEX_H
#define JO_INDEX_H

#include "executor/tuptable.h"
#include "utils/rel.h"

/*
 * Open the B-tree of "relation" whose columns are exactly "first" and "second"
 * (0: only one column); an administrator may have added others.  Raises when
 * there is none.
 */
extern Relation jo_index_open(Relation relation, AttrNumber first,
							  AttrNumber second, LOCKMODE lockmode);

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
