/*
 * capture/watch_cache.c
 *	  The watches of a relation, compiled, per backend.
 *
 * A relation is concerned by the watches declared on it and by those on the
 * tables it is a partition or child of.  What a statement finds when nothing
 * changed is one hash look-up.
 *
 * The list of watches is read with a fresh snapshot whatever the isolation
 * level: a watch applies from its commit on, like the trigger that comes with
 * it.  Expressions are compiled when the first statement needs them, over the
 * row type of the relation where the watch was declared; rows of a partition
 * with another column order are converted.
 *
 * A watch that no longer compiles stays in the list with its error, so that
 * every statement it would have looked at says so.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/tupconvert.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/relcache.h"
#include "utils/snapmgr.h"

#include "capture/internal.h"
#include "capture/watch_columns.h"
#include "core/cache.h"
#include "core/leaf.h"

static JoCache watch_cache = {
	.name = "watch",
	.tables = {"watch"},
	.holds_expressions = true
};

/* Both live in the cache's context and are made anew with it. */
static List *watches = NIL;		/* of JoWatch *, by watch_id */
static HTAB *relations = NULL;	/* of JoWatchedRelation */

/* Text of a column, or NULL. */
static char *
text_column(TupleTableSlot *slot, int column)
{
	return slot->tts_isnull[column] ? NULL :
		TextDatumGetCString(slot->tts_values[column]);
}

static int
operations_column(Datum array)
{
	Datum	   *words;
	int			count;
	int			operations = 0;

	deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false,
					  TYPALIGN_INT, &words, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *word = TextDatumGetCString(words[i]);

		if (strcmp(word, "insert") == 0)
			operations |= JO_OPERATION_INSERT;
		else if (strcmp(word, "update") == 0)
			operations |= JO_OPERATION_UPDATE;
		else if (strcmp(word, "delete") == 0)
			operations |= JO_OPERATION_DELETE;
	}
	return operations;
}

static List *
names_column(TupleTableSlot *slot, int column)
{
	Datum	   *names;
	int			count;
	List	   *list = NIL;

	if (slot->tts_isnull[column])
		return NIL;
	deconstruct_array(DatumGetArrayTypeP(slot->tts_values[column]), NAMEOID,
					  NAMEDATALEN, false, TYPALIGN_CHAR, &names, NULL, &count);
	for (int i = 0; i < count; i++)
		list = lappend(list, pstrdup(NameStr(*DatumGetName(names[i]))));
	return list;
}

static JoWatch *
read_watch(TupleTableSlot *slot)
{
	JoWatch    *watch = palloc0(sizeof(JoWatch));

	slot_getallattrs(slot);
	watch->watch_id = DatumGetInt32(slot->tts_values[WATCH_ID]);
	watch->relation = DatumGetObjectId(slot->tts_values[WATCH_RELATION]);
	watch->owner = DatumGetObjectId(slot->tts_values[WATCH_OWNER]);
	watch->operations = operations_column(slot->tts_values[WATCH_OPERATIONS]);
	watch->event = text_column(slot, WATCH_EVENT);
	watch->customer_sql = text_column(slot, WATCH_CUSTOMER_SQL);
	watch->condition_sql = text_column(slot, WATCH_CONDITION_SQL);
	watch->payload_sql = text_column(slot, WATCH_PAYLOAD_SQL);
	watch->columns = names_column(slot, WATCH_COLUMN_NAMES);
	watch->by_row = strcmp(text_column(slot, WATCH_MODE), "row") == 0;
	return watch;
}

static int
compare_watches(const ListCell *a, const ListCell *b)
{
	const JoWatch *left = lfirst(a);
	const JoWatch *right = lfirst(b);

	return left->watch_id < right->watch_id ? -1 : 1;
}

/* Read table watch into the empty cache. */
static void
read_watches(void)
{
	Relation	table = table_open(jo_relation_oid("watch"), AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(table, NULL);
	List	   *found = NIL;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		found = lappend(found, read_watch(slot));
	list_sort(found, compare_watches);
	watches = found;

	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	table_close(table, AccessShareLock);
}

static void
fill(void)
{
	HASHCTL		control = {0};
	MemoryContext old_context =
	MemoryContextSwitchTo(jo_cache_context(&watch_cache));

	watches = NIL;
	relations = NULL;
	read_watches();

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(JoWatchedRelation);
	control.hcxt = jo_cache_context(&watch_cache);
	relations = hash_create("journey_orch watched relations", 64, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);

	jo_cache_filled(&watch_cache);
	MemoryContextSwitchTo(old_context);
}

void
jo_watch_cache_begin(void)
{
	if (jo_cache_begin(&watch_cache))
		fill();
}

void
jo_watch_cache_end(void)
{
	jo_cache_end(&watch_cache);
}

List *
jo_watches(void)
{
	return watches;
}

List *
jo_watched_relids(void)
{
	List	   *relids = NIL;
	ListCell   *cell;

	foreach(cell, watches)
		relids = list_append_unique_oid(relids,
										((JoWatch *) lfirst(cell))->relation);
	return relids;
}

/* Add the parents of "relid" that are not in the list yet. */
static List *
add_parents(List *ancestors, Relation inherits, Oid relid)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL,
							  1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_inherits row = (Form_pg_inherits) GETSTRUCT(tuple);

		if (!row->inhdetachpending)
			ancestors = list_append_unique_oid(ancestors, row->inhparent);
	}
	systable_endscan(scan);

	return ancestors;
}

List *
jo_relation_ancestors(Oid relid)
{
	Relation	inherits = table_open(InheritsRelationId, AccessShareLock);
	List	   *ancestors = add_parents(NIL, inherits, relid);

	/* The list grows while we walk it. */
	for (int i = 0; i < list_length(ancestors); i++)
		ancestors = add_parents(ancestors, inherits, list_nth_oid(ancestors, i));
	table_close(inherits, AccessShareLock);

	return ancestors;
}

int
jo_relation_key(Relation relation, AttrNumber **key)
{
	Oid			index_oid;
	Relation	index;
	int			count;

	*key = NULL;
	if (relation->rd_rel->relkind == RELKIND_FOREIGN_TABLE)
		return 0;
	index_oid = RelationGetPrimaryKeyIndex(relation);
	if (!OidIsValid(index_oid))
		index_oid = RelationGetReplicaIndex(relation);
	if (!OidIsValid(index_oid))
		return 0;

	index = index_open(index_oid, AccessShareLock);
	count = index->rd_index->indnkeyatts;
	*key = palloc(count * sizeof(AttrNumber));
	for (int i = 0; i < count; i++)
		(*key)[i] = index->rd_index->indkey.values[i];
	index_close(index, AccessShareLock);

	return count;
}

/* How rows of "relation" become rows of the watch's relation; NULL: as is. */
static AttrMap *
map_for(JoWatch *watch, Relation relation)
{
	Relation	declared;
	TupleConversionMap *map;

	if (watch->relation == RelationGetRelid(relation))
	{
		if (watch->descriptor == NULL)
			watch->descriptor = CreateTupleDescCopy(RelationGetDescr(relation));
		return NULL;
	}

	if (watch->descriptor == NULL)
	{
		declared = table_open(watch->relation, AccessShareLock);
		watch->descriptor = CreateTupleDescCopy(RelationGetDescr(declared));
		table_close(declared, AccessShareLock);
	}
	map = convert_tuples_by_name(RelationGetDescr(relation), watch->descriptor);

	return map == NULL ? NULL : map->attrMap;
}

JoWatchedRelation *
jo_watched_relation_if_cached(Oid relid)
{
	return hash_search(relations, &relid, HASH_FIND, NULL);
}

JoWatchedRelation *
jo_watched_relation(Relation relation)
{
	JoWatchedRelation made = {.relid = RelationGetRelid(relation)};
	MemoryContext old_context =
	MemoryContextSwitchTo(jo_cache_context(&watch_cache));
	List	   *ancestors = jo_relation_ancestors(made.relid);
	JoWatchedRelation *entry;
	ListCell   *cell;

	jo_cache_watch(&watch_cache, made.relid);
	foreach(cell, ancestors)
		jo_cache_watch(&watch_cache, lfirst_oid(cell));

	made.uses = palloc(Max(list_length(watches), 1) * sizeof(JoWatchUse));
	foreach(cell, watches)
	{
		JoWatch    *watch = lfirst(cell);

		if (watch->relation != made.relid &&
			!list_member_oid(ancestors, watch->relation))
			continue;
		made.uses[made.count].watch = watch;
		made.uses[made.count].map = map_for(watch, relation);
		made.count++;
	}
	made.key_count = jo_relation_key(relation, &made.key);

	/* Entered last: nothing half-made stays behind an error. */
	entry = hash_search(relations, &made.relid, HASH_ENTER, NULL);
	*entry = made;
	MemoryContextSwitchTo(old_context);

	return entry;
}

/* Payload from the listed columns, or from all. */
static JoRowPayload *
compile_columns(JoWatch *watch, Relation relation, JoError **error)
{
	AttrNumber *attnums = palloc(Max(relation->rd_att->natts, 1) *
								 sizeof(AttrNumber));
	int			count = 0;
	ListCell   *cell;

	foreach(cell, watch->columns)
	{
		AttrNumber	attnum = get_attnum(watch->relation, lfirst(cell));

		if (attnum <= 0)
		{
			*error = palloc0(sizeof(JoError));
			strcpy((*error)->sqlstate, "42703");
			(*error)->message = psprintf("column \"%s\" does not exist",
										 (char *) lfirst(cell));
			return NULL;
		}
		attnums[count++] = attnum;
	}

	if (watch->columns == NIL)
		for (int i = 0; i < relation->rd_att->natts; i++)
			if (!TupleDescAttr(relation->rd_att, i)->attisdropped)
				attnums[count++] = i + 1;

	return jo_row_payload_compile(relation->rd_att, attnums, count);
}

static void
compile_in(JoWatch *watch, Relation relation)
{
	JoError    *error = NULL;

	watch->customer = jo_row_expression_compile(watch->customer_sql, relation,
												TEXTOID, watch->owner, &error);
	if (error == NULL && watch->condition_sql != NULL)
		watch->condition = jo_row_expression_compile(watch->condition_sql,
													 relation, BOOLOID,
													 watch->owner, &error);
	if (error == NULL && watch->payload_sql != NULL)
		watch->payload = jo_row_expression_compile(watch->payload_sql, relation,
												   JSONBOID, watch->owner,
												   &error);
	else if (error == NULL)
		watch->columns_payload = compile_columns(watch, relation, &error);

	watch->error = error;
	if (error != NULL)
		return;

	watch->can_raise =
		!jo_row_expression_cannot_raise(watch->customer) ||
		(watch->condition != NULL &&
		 !jo_row_expression_cannot_raise(watch->condition)) ||
		(watch->payload != NULL &&
		 !jo_row_expression_cannot_raise(watch->payload)) ||
		(watch->columns_payload != NULL &&
		 !jo_row_payload_cannot_raise(watch->columns_payload));
	watch->needs_settings =
		jo_row_expression_needs_settings(watch->customer) ||
		(watch->condition != NULL &&
		 jo_row_expression_needs_settings(watch->condition)) ||
		(watch->payload != NULL &&
		 jo_row_expression_needs_settings(watch->payload));
}

void
jo_watch_compile(JoWatch *watch)
{
	MemoryContext old_context;
	Relation	relation;

	if (watch->is_compiled)
		return;

	old_context = MemoryContextSwitchTo(jo_cache_context(&watch_cache));
	relation = table_open(watch->relation, AccessShareLock);
	compile_in(watch, relation);
	table_close(relation, AccessShareLock);
	watch->is_compiled = true;
	MemoryContextSwitchTo(old_context);
}

void
jo_watch_cache_init(void)
{
	jo_cache_register(&watch_cache);
}
