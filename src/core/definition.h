/*
 * core/definition.h
 *	  Changes of definitions, as transactions see them (see definition.c).
 */
#ifndef JO_DEFINITION_H
#define JO_DEFINITION_H

#include "utils/snapshot.h"

/*
 * A row of this table of definitions was written by the current transaction:
 * tell every backend's caches, at commit, and this one's, at the next command
 * (jo_cache_invalidate), and leave a mark that snapshots see.
 */
extern void jo_definition_changed(const char *table);

/*
 * Make the caches of definitions at least as new as "snapshot".  Called before
 * jo_cache_begin() by whoever reads definitions and data that must agree.
 */
extern void jo_definition_adopt(Snapshot snapshot);

#endif							/* JO_DEFINITION_H */
