/*
 * worker/database.c
 *	  Gets out of the way of commands that need a database without connections.
 *
 * DROP DATABASE, ALTER DATABASE … RENAME and SET TABLESPACE, and CREATE
 * DATABASE with this one as template fail while anybody is connected to it.
 * When the library is preloaded, a hook before such a command puts a hold on
 * the database, ends its processes and waits for that, at most
 * HOLD_TIMEOUT_MS; then the command does its own check.  The hold ends with
 * the transaction, whatever its outcome, and the launcher starts a supervisor
 * again, or forgets the database if it is gone.  An aborting or dying backend
 * runs the same callback, so no hold is left behind.
 *
 * Only the database's owner stops workers this way; the others' commands fail
 * anyway, because the launcher leaves template databases alone.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/spin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#include "worker/internal.h"
#include "worker/shared.h"

#define HOLD_TIMEOUT_MS 5000
#define HOLD_POLL_MS 10

/* Databases this transaction holds (JoDatabase *), in TopMemoryContext. */
static List *held = NIL;

static bool must_scan = false;	/* pg_database changes with this transaction */

static ProcessUtility_hook_type previous_process_utility = NULL;

void
jo_worker_terminate(JoDatabase *database)
{
	pid_t		pid;

	SpinLockAcquire(&database->mutex);
	pid = database->supervisor_pid;
	SpinLockRelease(&database->mutex);
	if (pid != 0)
		(void) kill(pid, SIGTERM);
}

bool
jo_worker_await_end(JoDatabase *database, int timeout_ms)
{
	TimestampTz deadline;

	deadline = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
	while (jo_worker_is_active(database))
	{
		CHECK_FOR_INTERRUPTS();
		if (GetCurrentTimestamp() >= deadline)
			return false;

		/* again each time: it may have started only now */
		jo_worker_terminate(database);
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 HOLD_POLL_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}

	return true;
}

/* Put a hold on the database named, if it is one of ours. */
static void
hold_database(const char *name)
{
	Oid			dboid = get_database_oid(name, true);
	JoDatabase *database;
	MemoryContext caller;
	bool		is_ours;

	if (!OidIsValid(dboid) || dboid == MyDatabaseId)
		return;
	database = jo_worker_database_find(dboid);
	if (database == NULL)
		return;
	if (!pg_database_ownercheck(dboid, GetUserId()))
		return;

	/* No error between the list and the count. */
	caller = MemoryContextSwitchTo(TopMemoryContext);
	held = lappend(held, database);
	MemoryContextSwitchTo(caller);

	/* Unless the launcher has just given the slot to somebody else. */
	SpinLockAcquire(&database->mutex);
	is_ours = pg_atomic_read_u32(&database->dboid) == dboid;
	if (is_ours)
		database->holds++;
	SpinLockRelease(&database->mutex);
	if (!is_ours)
	{
		held = list_delete_last(held);
		return;
	}

	(void) jo_worker_await_end(database, HOLD_TIMEOUT_MS);
}

/* The transaction is over: let the launcher see to the databases again. */
static void
release_holds(XactEvent event, void *argument)
{
	ListCell   *cell;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	if (held == NIL && !must_scan)
		return;

	foreach(cell, held)
	{
		JoDatabase *database = lfirst(cell);

		SpinLockAcquire(&database->mutex);
		database->holds--;
		SpinLockRelease(&database->mutex);
	}
	list_free(held);
	held = NIL;
	must_scan = false;
	jo_worker_wake_launcher();
}

/* Value of an option of CREATE or ALTER DATABASE, or NULL. */
static DefElem *
find_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0)
			return option;
	}

	return NULL;
}

static void
prepare_for(Node *statement)
{
	DefElem    *option;

	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			hold_database(((DropdbStmt *) statement)->dbname);
			must_scan = true;
			break;

		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				hold_database(((RenameStmt *) statement)->subname);
			break;

		case T_AlterDatabaseStmt:
			if (find_option(((AlterDatabaseStmt *) statement)->options,
							"tablespace") != NULL)
				hold_database(((AlterDatabaseStmt *) statement)->dbname);
			must_scan = true;
			break;

		case T_CreatedbStmt:
			option = find_option(((CreatedbStmt *) statement)->options,
								 "template");
			if (option != NULL && option->arg != NULL)
				hold_database(defGetString(option));
			must_scan = true;
			break;

		default:
			break;
	}
}

static void
watch_utility(PlannedStmt *statement, const char *query, bool read_only,
			  ProcessUtilityContext context, ParamListInfo parameters,
			  QueryEnvironment *environment, DestReceiver *receiver,
			  QueryCompletion *completion)
{
	if (IsTransactionState())
		prepare_for(statement->utilityStmt);

	if (previous_process_utility)
		previous_process_utility(statement, query, read_only, context,
								 parameters, environment, receiver, completion);
	else
		standard_ProcessUtility(statement, query, read_only, context,
								parameters, environment, receiver, completion);
}

void
jo_worker_database_init(void)
{
	previous_process_utility = ProcessUtility_hook;
	ProcessUtility_hook = watch_utility;
	RegisterXactCallback(release_holds, NULL);
}
