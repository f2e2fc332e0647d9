/*
 * core/leaf.h
 *	  The leaves of the per-lane tables: their names, creation and look-up.
 *
 * A family is a partitioned parent (an extension member, empty) with one leaf
 * a lane, or several segments a lane for a log.  Leaves are ordinary tables
 * and never extension members: pg_dump must carry their rows, and maintenance
 * must be able to drop one.  Nothing creates leaves in CREATE EXTENSION: a
 * restore brings them itself, so the first declaring call does it
 * (jo_leaf_ensure).
 *
 * Writers and the engine open leaves directly; a row's (lane, segment)
 * columns are set by the writer and agree with the leaf's bounds.
 */
#ifndef JO_LEAF_H
#define JO_LEAF_H

#include "datatype/timestamp.h"

#include "core/lane.h"

typedef enum JoFamily
{
	JO_EVENT,					/* logs: segmented */
	JO_LANE_CURSOR,
	JO_TIMER,
	JO_STEP_LOG,
	JO_OUTBOX,
	JO_WITHDRAWAL,
	JO_ENROLLMENT,				/* live rows: one leaf a lane */
	JO_ENTRY_MEMORY,
	JO_MESSAGE,
	JO_DIGEST_EVENT,
	JO_PLANNED_ENTRY,
	JO_GATE_DECISION			/* a log */
} JoFamily;

#define JO_FAMILIES (JO_GATE_DECISION + 1)

/* Segments that jo_leaf_ensure() creates for a log, and the most there may be. */
#define JO_SEGMENTS 2
#define JO_SEGMENTS_MAX 16

/* Create every missing leaf.  Idempotent; serialised by JO_LOCK_SETUP. */
extern void jo_leaf_ensure(void);

/* True when the leaves exist (cheap: cached until a relcache invalidation). */
extern bool jo_leaf_exists(void);

/*
 * OID of a leaf, or InvalidOid when there is no such segment.  Cached per
 * backend.  A live-row family has segment 0 only.
 */
extern Oid	jo_leaf_oid(JoFamily family, int lane, int segment);

/* How many segments a lane of this family has now. */
extern int	jo_leaf_segments(JoFamily family, int lane);

/*
 * The segment to append to.  A hint for writers, never a rule for readers: a
 * late writer may still append to a sealed segment, so readers look at all.
 */
extern int	jo_leaf_current(JoFamily family, int lane);

/*
 * Rows of a log that upkeep thins out (timer) may be gone when they are due up
 * to this instant; DT_NOBEGIN: none is.
 */
extern TimestampTz jo_leaf_dropped_to(JoFamily family, int lane);

/* Name of a family: that of the parent. */
extern const char *jo_leaf_family_name(JoFamily family);

/* Name of a leaf without schema, in a static buffer. */
extern const char *jo_leaf_name(JoFamily family, int lane, int segment);

/*
 * Give a lane of a log one more segment, and return its number; -1 when it has
 * JO_SEGMENTS_MAX, or when somebody holds a lock on the parent that would have
 * to be waited for.  The caller holds JO_LOCK_SETUP and runs as the extension.
 */
extern int	jo_leaf_add(JoFamily family, int lane);

/*
 * Counts the changes of relations that this backend was told of.  What was
 * learned about a relation is good while the count stays.
 */
extern uint64 jo_relation_changes(void);

/* OID of a table, index or view of our schema by name; raises when missing. */
extern Oid	jo_relation_oid(const char *name);

/* OID of schema journey_orch, and the owner of the extension. */
extern Oid	jo_schema_oid(void);
extern Oid	jo_extension_owner(void);

#endif							/* JO_LEAF_H */
