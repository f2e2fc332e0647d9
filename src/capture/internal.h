/*
 * capture/internal.h
 *	  What the files of this room share with each other and nobody else.
 */
#ifndef JO_CAPTURE_INTERNAL_H
#define JO_CAPTURE_INTERNAL_H

#include "access/attmap.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

#include "capture/capture.h"
#include "core/expression.h"

/* ring.c */
extern void jo_ring_init(void);

/* idempotency.c: settings */
extern void jo_idempotency_init(void);

/* upkeep.c */
extern void jo_cursor_upkeep_init(void);

/* ---- guard.c: the user's statement never fails because of us ---- */

typedef void (*JoGuarded) (void *arg);

/*
 * Call "body" in an internal subtransaction.  NULL when it returned; else its
 * error, in CurrentMemoryContext, and everything it did is undone.  Cancel,
 * shutdown, exhausted resources and serialization failures are raised again:
 * they are not ours to hide.
 *
 * With a valid "owner" the body is authors' code: it runs as him, read-only,
 * with pinned settings, and whatever it did beside computing is undone in any
 * case.  Results must be in memory of the caller.
 */
extern JoError *jo_guard(JoGuarded body, void *arg, Oid owner);

/* ---- failure.c: row changes that could not become events ---- */

typedef struct JoFailures JoFailures;

/* Room for the failures of one statement on "relid", in CurrentMemoryContext. */
extern JoFailures *jo_failures_begin(Oid relid, const char *operation);
extern void jo_failures_add(JoFailures *failures, const char *event,
							const char *row_key, const char *customer,
							const char *sqlstate, const char *message);

/* Write them; outside every subtransaction of the evaluation. */
extern void jo_failures_end(JoFailures *failures);

/* ---- payload.c: columns of a row as jsonb ---- */

typedef struct JoRowPayload JoRowPayload;

/* Payload of the attributes "attnums" of "descriptor", in
 * CurrentMemoryContext. */
extern JoRowPayload *jo_row_payload_compile(TupleDesc descriptor,
											const AttrNumber *attnums, int n);

/* True when no type in it runs code that may raise. */
extern bool jo_row_payload_cannot_raise(const JoRowPayload *payload);

/* Build it, in CurrentMemoryContext; NULL when it is too large for jsonb. */
extern Jsonb *jo_row_payload_build(JoRowPayload *payload, TupleTableSlot *slot);

/* ---- watch_cache.c: the compiled watches of a relation ---- */

#define JO_OPERATION_INSERT		(1 << 0)
#define JO_OPERATION_UPDATE		(1 << 1)
#define JO_OPERATION_DELETE		(1 << 2)

/* One watch, compiled over the row type of its relation. */
typedef struct JoWatch
{
	int32		watch_id;
	Oid			relation;		/* where it was declared */
	Oid			owner;
	int			operations;		/* JO_OPERATION_* */
	bool		by_row;			/* mode 'row' */
	char	   *event;
	char	   *customer_sql;
	char	   *condition_sql;
	char	   *payload_sql;
	List	   *columns;		/* of char *; NIL: the whole row */

	/* set when it is first used */
	bool		is_compiled;
	JoError    *error;			/* it does not compile any more */
	bool		can_raise;
	bool		needs_settings; /* its values depend on TimeZone and others */
	TupleDesc	descriptor;		/* row type the expressions were made for */
	JoRowExpression *customer;
	JoRowExpression *condition;
	JoRowExpression *payload;
	JoRowPayload *columns_payload;
} JoWatch;

/* A watch as it concerns the relation whose trigger fires. */
typedef struct JoWatchUse
{
	JoWatch    *watch;
	AttrMap    *map;			/* from that relation's rows; NULL: the same */
} JoWatchUse;

typedef struct JoWatchedRelation
{
	Oid			relid;			/* hash key */
	int			count;
	JoWatchUse *uses;			/* by watch_id */
	int			key_count;
	AttrNumber *key;			/* primary key or replica identity */
} JoWatchedRelation;

/* Enter and leave a use of the cache; pointers are good in between. */
extern void jo_watch_cache_begin(void);
extern void jo_watch_cache_end(void);

/* All watches of this database, of JoWatch *, by watch_id. */
extern List *jo_watches(void);

/* Relations that have a watch of their own (in CurrentMemoryContext). */
extern List *jo_watched_relids(void);

/* The watches of "relation" and of those it inherits from; never NULL.  May
 * raise: call it under jo_guard(). */
extern JoWatchedRelation *jo_watched_relation(Relation relation);

/* The same, if it is in the cache already; else NULL. */
extern JoWatchedRelation *jo_watched_relation_if_cached(Oid relid);

/* Compile on first use; sets watch->error instead of raising. */
extern void jo_watch_compile(JoWatch *watch);

/* Attributes of the primary key, else the replica identity; 0: none. */
extern int	jo_relation_key(Relation relation, AttrNumber **key);

extern void jo_watch_cache_init(void);

/* ---- change.c: the changed rows of one statement ---- */

typedef struct JoChangeSource JoChangeSource;

extern JoChangeSource *jo_change_source_begin(Relation relation,
											  Tuplestorestate *old_rows,
											  Tuplestorestate *new_rows,
											  const JoWatchedRelation *watched,
											  const Bitmapset *updated_columns);

/* The next change; false at the end.  NULL where an operation has none. */
extern bool jo_change_source_next(JoChangeSource *source,
								  TupleTableSlot **old_slot,
								  TupleTableSlot **new_slot);

/* New rows of an UPDATE for which no old row could be told, so far. */
extern int64 jo_change_source_unpaired(const JoChangeSource *source);

extern void jo_change_source_end(JoChangeSource *source);

/* ---- install.c: the triggers on a watched relation and its tree ---- */

/* Relations that "relid" inherits from, nearest first. */
extern List *jo_relation_ancestors(Oid relid);

/* Make the triggers of "relid" and everything below it what the watches ask
 * for.  The caller made the watches visible. */
extern void jo_triggers_install(Oid relid);

/*
 * Something happened to where the relations stand in their trees: bring the
 * modes of the watches on them and above them up to date, and the triggers.
 */
extern void jo_triggers_follow(List *relids);

/* Mode that watches on "relid" need: true 'row', false 'statement'. */
extern bool jo_watch_needs_rows(Oid relid);

/* ---- truncate.c ---- */
extern void jo_capture_truncate(Relation relation);

/* ---- watch.c ---- */

/* Set the mode of every watch on "relid"; true when one had another. */
extern bool jo_watch_set_mode(Oid relid, bool by_row);

/* ---- emit.c ---- */

/* {} */
extern Jsonb *jo_empty_payload(void);

/* The parts of an event that a key stands for, as bytes. */
extern void jo_event_body(const JoEvent *event, StringInfo body);

/* ---- names.c ---- */

/* Why the value may not be an event of a user, a customer, a key; NULL: it may. */
extern const char *jo_event_name_fault(const char *name);
extern const char *jo_customer_fault(const char *customer);
extern const char *jo_key_fault(const char *key);

#endif							/* JO_CAPTURE_INTERNAL_H */
