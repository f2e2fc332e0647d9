/*
 * core/internal.h
 *	  What the files of this room share with each other and nobody else.
 */
#ifndef JO_CORE_INTERNAL_H
#define JO_CORE_INTERNAL_H

#include "utils/snapshot.h"

#include "core/cache.h"
#include "core/leaf.h"

/* cache.c: make every cache stale. */
extern void jo_cache_forget(void);

/* cache.c: register the invalidation and transaction callbacks. */
extern void jo_cache_init(void);

/* cache.c: jo_cache_read_table() with the rows that "snapshot" sees. */
extern void jo_read_table(const char *table, Snapshot snapshot,
						  JoRowReader reader, void *arg);

/* clock.c, identity.c, key.c, leaf.c: register their caches; segment.c: its setting. */
extern void jo_clock_init(void);
extern void jo_identity_init(void);
extern void jo_key_init(void);
extern void jo_leaf_init(void);
extern void jo_segment_init(void);

/* leaf.c: the shape of a family of leaves. */
typedef struct JoFamilyForm
{
	const char *name;			/* of the parent; leaves add _LL or _LL_S */
	bool		is_log;			/* segmented, insert-only */
	const char *columns[2];		/* of the index on each leaf; NULL: fewer */
	const char *index_predicate;	/* SQL, or NULL */
} JoFamilyForm;

extern const JoFamilyForm jo_families[JO_FAMILIES];

/*
 * leaf_create.c: make again the index of every leaf that lost it.  Says for
 * each whether it could, or the leaf was in use.  Waits for no lock; the caller
 * holds JO_LOCK_SETUP and runs as the extension.
 */
typedef void (*JoLeafMended) (const char *leaf, bool is_made);
extern void jo_leaf_mend(JoLeafMended mended);

/* leaf.c: called by the relcache callback; InvalidOid means everything. */
extern void jo_leaf_relation_changed(Oid relid);

/* identity.c: true when there is an incarnation. */
extern bool jo_incarnation_exists(void);

/* key.c: true when there are keys; make them, under JO_LOCK_SETUP. */
extern bool jo_key_exists(void);
extern void jo_key_ensure(void);

/* leaf.c: InvalidOid where the extension is not installed. */
extern Oid	jo_schema_oid_if_exists(void);

#endif							/* JO_CORE_INTERNAL_H */
