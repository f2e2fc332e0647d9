/*
 * capture/follow.c
 *	  Keeps triggers and watches right when tables come, move and go.
 *
 * Two event triggers of the extension call one function.  After DDL: a new,
 * attached or inheriting table gets the triggers that the watches above it
 * ask for, a detached one loses them, and a tree that a foreign table or a
 * subscription joins or leaves changes its mode.  After a drop: watches whose
 * relation is gone are deleted.
 *
 * Tables are found by the names in the statement, resolved as the statement
 * just resolved them.  Where the statement does not name them (CREATE SCHEMA
 * with elements, subscriptions), every watched relation is looked at.
 *
 * The user's DDL never fails because of us: what goes wrong is a warning and a
 * capture_failure, and shows in health.
 */
#include "postgres.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "capture/internal.h"
#include "core/definition.h"
#include "core/run_as.h"

PG_FUNCTION_INFO_V1(journey_orch_follow_ddl);

/* What a statement did to trees. */
typedef struct Followed
{
	bool		is_drop;
	bool		all;			/* look at every watched relation */
	List	   *relids;			/* relations that joined or left a tree */
} Followed;

/* The relation that a statement names, if it is there. */
static void
add_relation(Followed *followed, const RangeVar *name)
{
	Oid			relid = RangeVarGetRelid(name, NoLock, true);

	if (OidIsValid(relid))
		followed->relids = list_append_unique_oid(followed->relids, relid);
}

static void
read_create(Followed *followed, const CreateStmt *statement)
{
	if (statement->inhRelations != NIL)
		add_relation(followed, statement->relation);
}

static void
read_alter(Followed *followed, const AlterTableStmt *statement)
{
	ListCell   *cell;

	foreach(cell, statement->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		switch (command->subtype)
		{
			case AT_AttachPartition:
			case AT_DetachPartition:
			case AT_DetachPartitionFinalize:
				add_relation(followed, castNode(PartitionCmd,
												command->def)->name);
				add_relation(followed, statement->relation);
				break;
			case AT_AddInherit:
			case AT_DropInherit:
				add_relation(followed, castNode(RangeVar, command->def));
				add_relation(followed, statement->relation);
				break;
			default:
				break;
		}
	}
}

static void
read_statement(Followed *followed, Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreateStmt:
			read_create(followed, (CreateStmt *) statement);
			break;
		case T_CreateForeignTableStmt:
			read_create(followed, &((CreateForeignTableStmt *) statement)->base);
			break;
		case T_AlterTableStmt:
			read_alter(followed, (AlterTableStmt *) statement);
			break;
		case T_CreateSchemaStmt:
			followed->all = ((CreateSchemaStmt *) statement)->schemaElts != NIL;
			break;
		case T_CreateSubscriptionStmt:
		case T_AlterSubscriptionStmt:
		case T_DropSubscriptionStmt:
			followed->all = true;
			break;
		default:
			break;
	}
}

/* Delete the watches of relations that are gone. */
static void
delete_orphans(void)
{
	JoRunAs		run_as;

	jo_run_as_extension(&run_as);
	SPI_connect();
	SPI_execute("DELETE FROM journey_orch.watch"
				" WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class"
				" WHERE oid = relation)", false, 0);
	if (SPI_processed > 0)
		jo_definition_changed("watch");
	SPI_finish();
	jo_run_as_end(&run_as);
}

static void
follow(void *arg)
{
	Followed   *followed = arg;

	if (followed->is_drop)
		delete_orphans();
	else
		jo_triggers_follow(followed->relids);
}

/* True when a drop left a watch without its relation. */
static bool
has_orphans(List *relids)
{
	ListCell   *cell;

	foreach(cell, relids)
		if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(lfirst_oid(cell))))
		return true;
	return false;
}

/* Tell the user and the record that following failed. */
static void
report(Followed *followed, const JoError *error)
{
	JoFailures *failures =
	jo_failures_begin(followed->relids == NIL ? InvalidOid :
					  linitial_oid(followed->relids), "ddl");

	jo_failures_add(failures, "", NULL, NULL, error->sqlstate, error->message);
	jo_failures_end(failures);
	ereport(WARNING,
			(errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
			 errmsg("journey_orch could not adapt its triggers: %s",
					error->message),
			 errdetail("Changes of the new rows may not be captured."),
			 errhint("Call journey_orch.watch() again for the watched table.")));
}

/* SQL: journey_orch._follow_ddl() */
Datum
journey_orch_follow_ddl(PG_FUNCTION_ARGS)
{
	EventTriggerData *trigger = (EventTriggerData *) fcinfo->context;
	Followed	followed = {false};
	List	   *watched;
	JoError    *error = NULL;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"journey_orch._follow_ddl\" can only be called by event triggers")));
	if (IsBinaryUpgrade || creating_extension)
		PG_RETURN_NULL();

	followed.is_drop = strcmp(trigger->event, "sql_drop") == 0;
	if (!followed.is_drop)
	{
		read_statement(&followed, trigger->parsetree);
		if (followed.relids == NIL && !followed.all)
			PG_RETURN_NULL();
	}

	jo_watch_cache_begin();
	watched = jo_watched_relids();
	jo_watch_cache_end();

	if (watched == NIL || (followed.is_drop && !has_orphans(watched)))
		PG_RETURN_NULL();
	if (followed.all)
		followed.relids = watched;

	error = jo_guard(follow, &followed, InvalidOid);
	if (error != NULL)
		report(&followed, error);
	PG_RETURN_NULL();
}
