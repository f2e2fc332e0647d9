/*
 * core/cache.c
 *	  Per-backend caches of definitions: who uses one, and when it is stale.
 *
 * The invalidation callbacks only set flags: they run wherever a lock is
 * taken, in the middle of anything.  A stale cache is emptied by the next
 * jo_cache_begin() that finds no other user.
 *
 * Uses are kept on a stack with the nesting level of their transaction,
 * because an error may skip jo_cache_end(): the abort of a (sub)transaction
 * takes its uses off the stack.  No use outlives its transaction.
 *
 * While the OID of a table is unknown, any relcache message makes the cache
 * stale: the table may be the one being created.
 */
#include "postgres.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/transam.h"
#include "access/xact.h"
#include "nodes/nodeFuncs.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "core/cache.h"
#include "core/internal.h"
#include "core/leaf.h"

typedef struct CacheUse
{
	JoCache    *cache;
	int			level;			/* transaction nesting level of the begin */
} CacheUse;

static JoCache *caches = NULL;

static CacheUse *uses = NULL;
static int	use_count = 0;
static int	use_room = 0;

void
jo_cache_register(JoCache *cache)
{
	cache->stale = true;
	cache->filled = false;
	cache->users = 0;
	cache->watched = NIL;
	cache->type_hashes = NIL;
	cache->context = NULL;
	cache->next = caches;
	caches = cache;
}

/* Empty the cache and learn the OIDs of its tables. */
static void
empty(JoCache *cache)
{
	Oid			schema;

	/* From here on any message counts, until the OIDs are known. */
	for (int i = 0; i < JO_CACHE_TABLES; i++)
		cache->relids[i] = InvalidOid;
	cache->watched = NIL;
	cache->type_hashes = NIL;
	cache->any_type = false;
	cache->filled = false;
	cache->stale = false;

	if (cache->context == NULL)
		cache->context = AllocSetContextCreate(CacheMemoryContext,
											   "journey_orch cache",
											   ALLOCSET_DEFAULT_SIZES);
	else
		MemoryContextReset(cache->context);
	MemoryContextSetIdentifier(cache->context, cache->name);

	schema = jo_schema_oid_if_exists();
	for (int i = 0; i < JO_CACHE_TABLES && cache->tables[i] != NULL; i++)
		if (OidIsValid(schema))
			cache->relids[i] = get_relname_relid(cache->tables[i], schema);
}

static void
push_use(JoCache *cache)
{
	if (use_count == use_room)
	{
		int			room = Max(16, use_room * 2);

		if (uses == NULL)
			uses = MemoryContextAlloc(TopMemoryContext,
									  room * sizeof(CacheUse));
		else
			uses = repalloc(uses, room * sizeof(CacheUse));
		use_room = room;
	}
	uses[use_count].cache = cache;
	uses[use_count].level = GetCurrentTransactionNestLevel();
	use_count++;
	cache->users++;
}

/*
 * What others committed before counts from here on, also in a transaction
 * that takes no new lock.
 */
bool
jo_cache_begin(JoCache *cache)
{
	if (cache->users == 0)
		AcceptInvalidationMessages();
	if (cache->users == 0 && (cache->stale || !cache->filled))
		empty(cache);
	push_use(cache);

	return !cache->filled;
}

/* A message that came while the cache was being filled keeps it stale. */
void
jo_cache_filled(JoCache *cache)
{
	cache->filled = true;
}

/* Nothing to do when an abort took the use off the stack already. */
void
jo_cache_end(JoCache *cache)
{
	for (int i = use_count - 1; i >= 0; i--)
	{
		if (uses[i].cache != cache)
			continue;
		memmove(&uses[i], &uses[i + 1],
				(use_count - i - 1) * sizeof(CacheUse));
		use_count--;
		cache->users--;
		return;
	}
}

MemoryContext
jo_cache_context(JoCache *cache)
{
	return cache->context;
}

void
jo_cache_watch(JoCache *cache, Oid relid)
{
	MemoryContext old_context = MemoryContextSwitchTo(cache->context);

	cache->watched = list_append_unique_oid(cache->watched, relid);
	MemoryContextSwitchTo(old_context);
}

/*
 * Append to *types the types that users made and that a node of the tree
 * yields.  What a sub-select reads is the business of its own plan.
 */
static bool
collect_types(Node *node, List **types)
{
	if (node == NULL)
		return false;

	switch (nodeTag(node))
	{
		case T_Query:
			return query_tree_walker((Query *) node, collect_types, types, 0);
		case T_Const:
		case T_Param:
		case T_Var:
		case T_FuncExpr:
		case T_OpExpr:
		case T_FieldSelect:
		case T_RelabelType:
		case T_CoerceViaIO:
		case T_ArrayCoerceExpr:
		case T_ConvertRowtypeExpr:
		case T_CoerceToDomain:
		case T_RowExpr:
		case T_ArrayExpr:
			if (exprType(node) >= FirstNormalObjectId)
				*types = list_append_unique_oid(*types, exprType(node));
			break;
		default:
			break;
	}

	return expression_tree_walker(node, collect_types, types);
}

void
jo_cache_depend(Node *expression)
{
	List	   *types = NIL;
	ListCell   *cell;

	(void) collect_types(expression, &types);

	for (int i = 0; i < use_count; i++)
	{
		JoCache    *cache = uses[i].cache;
		MemoryContext old_context;

		if (!cache->holds_expressions)
			continue;
		if (expression == NULL)
			cache->any_type = true;
		old_context = MemoryContextSwitchTo(cache->context);
		foreach(cell, types)
		{
			uint32		hash = GetSysCacheHashValue1(TYPEOID,
													 ObjectIdGetDatum(lfirst_oid(cell)));

			cache->type_hashes =
				list_append_unique_int(cache->type_hashes, (int) hash);
		}
		MemoryContextSwitchTo(old_context);
	}
	list_free(types);
}

void
jo_cache_invalidate(const char *table)
{
	CacheInvalidateRelcacheByRelid(jo_relation_oid(table));
}

/* Hand each row of a table of ours that "snapshot" sees to "reader".  A table
 * that does not exist (the extension is going) has no rows. */
void
jo_read_table(const char *table, Snapshot snapshot, JoRowReader reader,
			  void *arg)
{
	Oid			schema = jo_schema_oid_if_exists();
	Oid			relid = InvalidOid;
	Relation	rel;
	TableScanDesc scan;
	TupleTableSlot *slot;

	if (OidIsValid(schema))
		relid = get_relname_relid(table, schema);
	if (!OidIsValid(relid))
		return;

	rel = table_open(relid, AccessShareLock);
	slot = table_slot_create(rel, NULL);
	scan = table_beginscan(rel, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		reader(slot, arg);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	table_close(rel, AccessShareLock);
}

/*
 * The same for filling a cache.  The catalog snapshot is taken anew for a table
 * without a syscache, sees our own commands, and needs no transaction snapshot.
 */
void
jo_cache_read_table(const char *table, JoRowReader reader, void *arg)
{
	Snapshot	snapshot = RegisterSnapshot(GetCatalogSnapshot(InvalidOid));

	jo_read_table(table, snapshot, reader, arg);
	UnregisterSnapshot(snapshot);
}

/* True when a relcache message about "relid" concerns this cache. */
static bool
depends_on_relation(const JoCache *cache, Oid relid)
{
	if (!OidIsValid(relid))
		return true;
	for (int i = 0; i < JO_CACHE_TABLES && cache->tables[i] != NULL; i++)
		if (cache->relids[i] == relid || !OidIsValid(cache->relids[i]))
			return true;

	return list_member_oid(cache->watched, relid);
}

static void
relation_changed(Datum arg, Oid relid)
{
	for (JoCache *cache = caches; cache != NULL; cache = cache->next)
		if (!cache->stale && depends_on_relation(cache, relid))
			cache->stale = true;

	jo_leaf_relation_changed(relid);
}

void
jo_cache_forget(void)
{
	relation_changed((Datum) 0, InvalidOid);
}

static void
object_changed(Datum arg, int cacheid, uint32 hash)
{
	for (JoCache *cache = caches; cache != NULL; cache = cache->next)
		if (cache->holds_expressions)
			cache->stale = true;
}

/* hash 0: any type */
static void
type_changed(Datum arg, int cacheid, uint32 hash)
{
	for (JoCache *cache = caches; cache != NULL; cache = cache->next)
		if (cache->holds_expressions &&
			(hash == 0 || cache->any_type ||
			 list_member_int(cache->type_hashes, (int) hash)))
			cache->stale = true;
}

/* Take the uses at "level" and deeper off the stack. */
static void
drop_uses(int level)
{
	while (use_count > 0 && uses[use_count - 1].level >= level)
		uses[--use_count].cache->users--;
}

static void
transaction_ended(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			drop_uses(0);
			break;
		default:
			break;
	}
}

static void
subtransaction_ended(SubXactEvent event, SubTransactionId subid,
					 SubTransactionId parent, void *arg)
{
	int			level = GetCurrentTransactionNestLevel();

	if (event == SUBXACT_EVENT_ABORT_SUB)
		drop_uses(level);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		for (int i = use_count - 1; i >= 0 && uses[i].level >= level; i--)
			uses[i].level = level - 1;
}

/* Register the callbacks, once. */
void
jo_cache_init(void)
{
	static const int expression_caches[] = {
		PROCOID, OPEROID, AUTHOID, AUTHMEMROLEMEM, NAMESPACEOID,
		CASTSOURCETARGET, COLLOID
	};

	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	for (int i = 0; i < lengthof(expression_caches); i++)
		CacheRegisterSyscacheCallback(expression_caches[i], object_changed,
									  (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, type_changed, (Datum) 0);
	RegisterXactCallback(transaction_ended, NULL);
	RegisterSubXactCallback(subtransaction_ended, NULL);
}
