/*
 * core/cache.h
 *	  Per-backend caches of definitions, each rebuilt when its tables change.
 *
 * A room declares one JoCache (a static variable), registers it from its
 * init function, and calls jo_cache_begin() at the start of every top-level
 * use (a batch, a trigger call, a SQL function), jo_cache_end() at its end.
 * Invalidation callbacks only set a flag, because they may run in the middle
 * of anything; the memory is reset in jo_cache_begin() when nobody uses it, so
 * pointers into the cache are good until the matching jo_cache_end().
 *
 * Writers of the tables must call jo_cache_invalidate(table) in the same
 * transaction: PostgreSQL sends no relcache message for DML.
 */
#ifndef JO_CACHE_H
#define JO_CACHE_H

#include "executor/tuptable.h"
#include "nodes/parsenodes.h"

#define JO_CACHE_TABLES 6

typedef struct JoCache
{
	const char *name;
	const char *tables[JO_CACHE_TABLES];	/* our tables it was read from */
	bool		holds_expressions;	/* also stale when any function, operator,
									 * cast, schema or role changes, or a type
									 * (see jo_cache_depend()) */
	/* private to cache.c */
	Oid			relids[JO_CACHE_TABLES];
	List	   *watched;		/* other relations, see jo_cache_watch() */
	List	   *type_hashes;	/* of users' types in its expressions */
	bool		any_type;		/* every change of a type counts */
	MemoryContext context;
	bool		stale;
	bool		filled;
	int			users;
	struct JoCache *next;
} JoCache;

/* Make the cache known; called once, from the room's init function. */
extern void jo_cache_register(JoCache *cache);

/*
 * Enter a use.  Returns true when the caller must fill the cache now: memory
 * context jo_cache_context() is then empty.  The caller calls
 * jo_cache_filled() when it has; until then every begin returns true.  A cache
 * that fills lazily by name calls jo_cache_filled() at once.
 */
extern bool jo_cache_begin(JoCache *cache);
extern void jo_cache_filled(JoCache *cache);
extern void jo_cache_end(JoCache *cache);
extern MemoryContext jo_cache_context(JoCache *cache);

/*
 * For filling a cache: call "reader" for every row of a table of ours as it
 * stands now, uncommitted changes of this backend included, at every isolation
 * level.  Does nothing when the table does not exist.
 */
typedef void (*JoRowReader) (TupleTableSlot *slot, void *arg);
extern void jo_cache_read_table(const char *table, JoRowReader reader,
								void *arg);

/* The cache also depends on this relation (a bound table, a watched table). */
extern void jo_cache_watch(JoCache *cache, Oid relid);

/*
 * An analysed expression goes into the caches that are in use now (those that
 * hold expressions); NULL: one that failed to compile, and might compile once
 * a type is created.  With it a new table, which is a new type, leaves the
 * caches alone: otherwise every CREATE TEMP TABLE anywhere in the database
 * would empty them.
 */
extern void jo_cache_depend(Node *expression);

/* Tables of definitions: use jo_definition_changed() (definition.h) instead.
 * Tell every backend, at commit, and this one, at the next command, that a
 * table of ours changed. */
extern void jo_cache_invalidate(const char *table);

#endif							/* JO_CACHE_H */
