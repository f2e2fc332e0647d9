/*
 * capture/install.c
 *	  The triggers on a watched relation and on everything below it.
 *
 * Mode 'statement' (transition tables) is the rule.  A statement trigger fires
 * only on the relation that the statement names, and collects the rows of
 * everything below it; so the watched table and each of its partitions or
 * children carry one, and a row is captured once, whichever was named.
 *
 * Mode 'row' is chosen where that cannot work: PostgreSQL has no transition
 * tables on foreign tables; logical replication fires row triggers only; and a
 * watch on a partition or child has to see rows that arrive through its
 * parent.  PostgreSQL itself clones row triggers to partitions; children of
 * plain inheritance get their own.  Where a subscription writes, row and
 * TRUNCATE triggers are ENABLE ALWAYS, because its workers run as replica.
 *
 * Triggers are ordinary ones, made through the catalog API as the extension's
 * owner: pg_dump carries them, they depend on journey_orch.capture() (so DROP
 * EXTENSION says what is in the way), and they are not extension members.
 * Whether they are enabled is the user's business and is left alone.
 *
 * Locks: ShareRowExclusive on each relation that gets or loses a trigger,
 * parents first, as CREATE TRIGGER takes it.
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "nodes/makefuncs.h"
#include "parser/parse_func.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "capture/internal.h"
#include "core/run_as.h"

/* A trigger we make: bit i of a set is forms[i]. */
typedef struct TriggerForm
{
	const char *name;
	const char *tree_name;		/* on a partitioned table, which has it cloned
								 * to partitions that may have their own */
	int16		event;			/* TRIGGER_TYPE_* */
	bool		is_row;
	int			operation;		/* JO_OPERATION_*, 0 for TRUNCATE */
} TriggerForm;

static const TriggerForm forms[] = {
	{"journey_orch_insert", NULL, TRIGGER_TYPE_INSERT, false, JO_OPERATION_INSERT},
	{"journey_orch_update", NULL, TRIGGER_TYPE_UPDATE, false, JO_OPERATION_UPDATE},
	{"journey_orch_delete", NULL, TRIGGER_TYPE_DELETE, false, JO_OPERATION_DELETE},
	{"journey_orch_row_insert", "journey_orch_tree_insert",
	TRIGGER_TYPE_INSERT, true, JO_OPERATION_INSERT},
	{"journey_orch_row_update", "journey_orch_tree_update",
	TRIGGER_TYPE_UPDATE, true, JO_OPERATION_UPDATE},
	{"journey_orch_row_delete", "journey_orch_tree_delete",
	TRIGGER_TYPE_DELETE, true, JO_OPERATION_DELETE},
	{"journey_orch_truncate", NULL, TRIGGER_TYPE_TRUNCATE, false, 0},
};

#define FORM_COUNT lengthof(forms)

static Oid
capture_function(void)
{
	return LookupFuncName(list_make2(makeString("journey_orch"),
									 makeString("capture")),
						  0, NULL, false);
}

/* True when a subscription of this database writes to the table. */
static bool
is_subscription_target(Oid relid)
{
	CatCList   *list = SearchSysCacheList1(SUBSCRIPTIONRELMAP,
										   ObjectIdGetDatum(relid));
	bool		found = list->n_members > 0;

	ReleaseSysCacheList(list);
	return found;
}

/* True when one of the relations is a subscription's target. */
static bool
tree_is_replicated(List *tree)
{
	ListCell   *cell;

	foreach(cell, tree)
		if (is_subscription_target(lfirst_oid(cell)))
		return true;
	return false;
}

bool
jo_watch_needs_rows(Oid relid)
{
	List	   *tree;
	ListCell   *cell;

	if (jo_relation_ancestors(relid) != NIL)
		return true;

	tree = find_all_inheritors(relid, NoLock, NULL);
	foreach(cell, tree)
		if (get_rel_relkind(lfirst_oid(cell)) == RELKIND_FOREIGN_TABLE)
		return true;
	return tree_is_replicated(tree);
}

/* When a trigger of this form fires in a tree. */
static char
fires_when(const TriggerForm *form, bool is_replicated)
{
	return is_replicated && (form->is_row || form->operation == 0) ?
		TRIGGER_FIRES_ALWAYS : TRIGGER_FIRES_ON_ORIGIN;
}

/*
 * Our own triggers on a relation, not those that PostgreSQL cloned from a
 * partitioned table, as a set of forms; their OIDs in oids[].  One that fires
 * at the wrong times is in *misfiring; one that somebody disabled is not.
 */
static int
present_forms(Oid relid, Oid function, bool is_replicated, Oid *oids,
			  int *misfiring)
{
	Relation	catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	int			present = 0;

	*misfiring = 0;
	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 1,
							  &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger row = (Form_pg_trigger) GETSTRUCT(tuple);

		if (row->tgfoid != function || OidIsValid(row->tgparentid))
			continue;
		for (int i = 0; i < FORM_COUNT; i++)
		{
			if (!(row->tgtype & forms[i].event) ||
				TRIGGER_FOR_ROW(row->tgtype) != forms[i].is_row)
				continue;
			present |= 1 << i;
			oids[i] = row->oid;
			if (row->tgenabled != TRIGGER_DISABLED &&
				row->tgenabled != fires_when(&forms[i], is_replicated))
				*misfiring |= 1 << i;
		}
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);

	return present;
}

/* The forms that the watches on one relation ask for. */
static int
forms_of_watches(const JoWatchedRelation *watched, Relation relation)
{
	int			wanted = 0;

	for (int w = 0; w < watched->count; w++)
	{
		JoWatch    *watch = watched->uses[w].watch;

		/* Row triggers of a partitioned table come by cloning. */
		if (watch->by_row && relation->rd_rel->relispartition &&
			watch->relation != RelationGetRelid(relation))
			continue;
		for (int i = 0; i < FORM_COUNT; i++)
			if (forms[i].is_row == watch->by_row &&
				(watch->operations & forms[i].operation))
				wanted |= 1 << i;
	}

	/* Every watched table tells of TRUNCATE; foreign ones cannot before 16. */
	if (watched->count > 0 &&
		relation->rd_rel->relkind != RELKIND_FOREIGN_TABLE)
		for (int i = 0; i < FORM_COUNT; i++)
			if (forms[i].event == TRIGGER_TYPE_TRUNCATE)
				wanted |= 1 << i;

	return wanted;
}

static TriggerTransition *
transition(const char *name, bool is_new)
{
	TriggerTransition *node = makeNode(TriggerTransition);

	node->name = pstrdup(name);
	node->isNew = is_new;
	node->isTable = true;
	return node;
}

static void
make_trigger(Relation relation, const TriggerForm *form, Oid function,
			 char when)
{
	CreateTrigStmt *statement = makeNode(CreateTrigStmt);
	bool		is_tree = form->is_row &&
	relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE;

	statement->trigname = pstrdup(is_tree ? form->tree_name : form->name);
	statement->relation =
		makeRangeVar(get_namespace_name(RelationGetNamespace(relation)),
					 pstrdup(RelationGetRelationName(relation)), -1);
	statement->funcname = list_make2(makeString("journey_orch"),
									 makeString("capture"));
	statement->row = form->is_row;
	statement->timing = TRIGGER_TYPE_AFTER;
	statement->events = form->event;
	if (!form->is_row &&
		form->operation & (JO_OPERATION_UPDATE | JO_OPERATION_DELETE))
		statement->transitionRels = lappend(statement->transitionRels,
											transition("old_rows", false));
	if (!form->is_row &&
		form->operation & (JO_OPERATION_INSERT | JO_OPERATION_UPDATE))
		statement->transitionRels = lappend(statement->transitionRels,
											transition("new_rows", true));

	CreateTriggerFiringOn(statement, NULL, RelationGetRelid(relation),
						  InvalidOid, InvalidOid, InvalidOid, function,
						  InvalidOid, NULL, false, false, when);
	CommandCounterIncrement();
}

/*
 * Drop the triggers of "relid" that no watch asks for, or that fire at the
 * wrong times; returns those wanted.
 */
static int
drop_unwanted(Oid relid, Oid function, bool is_replicated)
{
	Relation	relation = table_open(relid, ShareRowExclusiveLock);
	Oid			oids[FORM_COUNT];
	int			misfiring;
	int			present = present_forms(relid, function, is_replicated, oids,
										&misfiring);
	int			wanted = forms_of_watches(jo_watched_relation(relation),
										  relation);

	table_close(relation, NoLock);
	for (int i = 0; i < FORM_COUNT; i++)
	{
		ObjectAddress trigger;

		if (!(present & (misfiring | ~wanted) & (1 << i)))
			continue;
		ObjectAddressSet(trigger, TriggerRelationId, oids[i]);
		performDeletion(&trigger, DROP_RESTRICT, 0);
		CommandCounterIncrement();
	}
	return wanted;
}

static void
make_missing(Oid relid, Oid function, bool is_replicated, int wanted)
{
	Relation	relation = table_open(relid, NoLock);
	Oid			oids[FORM_COUNT];
	int			misfiring;
	int			present = present_forms(relid, function, is_replicated, oids,
										&misfiring);

	for (int i = 0; i < FORM_COUNT; i++)
		if (wanted & ~present & (1 << i))
			make_trigger(relation, &forms[i], function,
						 fires_when(&forms[i], is_replicated));
	table_close(relation, NoLock);
}

void
jo_triggers_install(Oid relid)
{
	List	   *tree = find_all_inheritors(relid, ShareRowExclusiveLock, NULL);
	bool		is_replicated = tree_is_replicated(tree);
	Oid			function = capture_function();
	int		   *wanted = palloc(list_length(tree) * sizeof(int));
	JoRunAs		run_as;

	jo_run_as_extension(&run_as);
	jo_watch_cache_begin();

	/* From the leaves up, so that a clone finds its name free below. */
	for (int i = list_length(tree) - 1; i >= 0; i--)
		wanted[i] = drop_unwanted(list_nth_oid(tree, i), function,
								  is_replicated);
	for (int i = 0; i < list_length(tree); i++)
		make_missing(list_nth_oid(tree, i), function, is_replicated,
					 wanted[i]);

	jo_watch_cache_end();
	jo_run_as_end(&run_as);
}

void
jo_triggers_follow(List *relids)
{
	List	   *affected = NIL;
	ListCell   *cell;

	foreach(cell, relids)
	{
		affected = list_append_unique_oid(affected, lfirst_oid(cell));
		affected = list_concat_unique_oid(affected,
										  jo_relation_ancestors(lfirst_oid(cell)));
	}
	foreach(cell, affected)
	{
		Oid			relid = lfirst_oid(cell);

		if (jo_watch_set_mode(relid, jo_watch_needs_rows(relid)))
			relids = list_append_unique_oid(list_copy(relids), relid);
	}
	foreach(cell, relids)
		jo_triggers_install(lfirst_oid(cell));
}
