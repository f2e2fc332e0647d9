/*
 * worker/process.c
 *	  What the supervisors and lane workers have in common: how they start,
 *	  who they are, what they answer.
 *
 * Identity.  A background worker that connects without a role is the bootstrap
 * superuser.  Ours is the engine role from its first moment, session and
 * authenticated user included, so that nothing it runs can climb back, and its
 * PGPROC says so, so that whoever may signal the engine role may cancel it.
 * Before PostgreSQL 17 a NOLOGIN role cannot connect; a parallel worker takes
 * its leader's identity without a log-in, and we take ours the same way.
 *
 * Settings.  What a batch computes must not depend on ALTER DATABASE … SET or
 * postgresql.conf, so everything that changes results is pinned with a source
 * that a reload does not override.
 */
#include "postgres.h"

#include <signal.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/parallel.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"

#include "core/errors.h"
#include "core/identity.h"
#include "worker/process.h"

#define EXTENSION "journey_orch"

typedef struct PinnedSetting
{
	const char *name;
	const char *value;
} PinnedSetting;

static const PinnedSetting pinned_settings[] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"session_replication_role", "origin"},
	{"synchronous_commit", "off"},
	{"statement_timeout", "0"},
	{"lock_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"idle_session_timeout", "0"},
	{"DateStyle", "ISO, YMD"},
	{"IntervalStyle", "postgres"},
	{"TimeZone", "UTC"},
	{"bytea_output", "hex"},
	{"extra_float_digits", "1"},
	{"xmloption", "content"},
	{"standard_conforming_strings", "on"},
	{"row_security", "on"},
	{"check_function_bodies", "on"},
	{"default_tablespace", ""},
	{"temp_tablespaces", ""},
	{"jit", "off"},
	{"max_parallel_workers_per_gather", "0"},
};

bool
jo_process_register(const char *type, const char *function,
					const JoProcessArguments *arguments, int restart_seconds,
					BackgroundWorkerHandle **handle)
{
	BackgroundWorker worker;

	StaticAssertStmt(sizeof(JoProcessArguments) <= BGW_EXTRALEN,
					 "arguments fit into bgw_extra");

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = restart_seconds;
	strlcpy(worker.bgw_library_name, EXTENSION, BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, function, BGW_MAXLEN);
	strlcpy(worker.bgw_type, type, BGW_MAXLEN);
	snprintf(worker.bgw_name, BGW_MAXLEN, "%s of database %u", type,
			 arguments->dboid);
	memcpy(worker.bgw_extra, arguments, sizeof(*arguments));
	worker.bgw_notify_pid = MyProcPid;

	return RegisterDynamicBackgroundWorker(&worker, handle);
}

void
jo_process_begin(pqsigfunc on_terminate)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, on_terminate);
	BackgroundWorkerUnblockSignals();
}

void
jo_process_arguments(JoProcessArguments *arguments)
{
	memcpy(arguments, MyBgworkerEntry->bgw_extra, sizeof(*arguments));
}

void
jo_process_connect(const JoProcessArguments *arguments)
{
	int			i;

	SetAuthenticatedUserId(arguments->engine, false);
	SetSessionAuthorization(arguments->engine, false);
	SetCurrentRoleId(InvalidOid, false);

	/*
	 * The flag makes InitializeSessionUserId() keep what we have just set.
	 * The engine role needs no CONNECT privilege on the database: that would
	 * be one more thing for every installation to forget.
	 */
	InitializingParallelWorker = true;
	BackgroundWorkerInitializeConnectionByOid(arguments->dboid,
											  arguments->engine,
											  BGWORKER_BYPASS_ALLOWCONN);
	InitializingParallelWorker = false;

	for (i = 0; i < lengthof(pinned_settings); i++)
		SetConfigOption(pinned_settings[i].name, pinned_settings[i].value,
						PGC_SUSET, PGC_S_OVERRIDE);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_type,
					PGC_USERSET, PGC_S_OVERRIDE);
}

bool
jo_process_interrupts(void)
{
	CHECK_FOR_INTERRUPTS();

	if (!ConfigReloadPending)
		return false;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
	return true;
}

/*
 * OID and version (in CurrentMemoryContext) of the extension; InvalidOid when
 * it is not installed.
 */
static Oid
find_extension(char **version)
{
	Relation	relation;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			result = InvalidOid;

	relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber,
				F_NAMEEQ, CStringGetDatum(EXTENSION));
	scan = systable_beginscan(relation, ExtensionNameIndexId, true, NULL, 1,
							  &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool		isnull;
		Datum		datum;

		result = ((Form_pg_extension) GETSTRUCT(tuple))->oid;
		datum = heap_getattr(tuple, Anum_pg_extension_extversion,
							 RelationGetDescr(relation), &isnull);
		*version = isnull ? pstrdup("") : TextDatumGetCString(datum);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);

	return result;
}

void
jo_process_check_extension(JoExtensionCheck *check)
{
	char	   *version = NULL;

	check->verdict = JO_SUPERVISOR_RUNNING;
	check->reason[0] = '\0';
	check->extension = find_extension(&version);
	if (!OidIsValid(check->extension))
	{
		check->verdict = JO_SUPERVISOR_ABSENT;
		strlcpy(check->reason, "the extension is not installed",
				sizeof(check->reason));
		return;
	}

	if (strcmp(version, JO_VERSION) != 0)
	{
		check->verdict = JO_SUPERVISOR_MISMATCHED;
		snprintf(check->reason, sizeof(check->reason),
				 "the extension has version %s, the library %s: run ALTER EXTENSION journey_orch UPDATE",
				 version, JO_VERSION);
		return;
	}

	if (!jo_incarnation_is_adopted())
	{
		check->verdict = JO_SUPERVISOR_COPIED;
		strlcpy(check->reason,
				"the database is a copy that nobody adopted: nothing is advanced or handed out",
				sizeof(check->reason));
	}
}

void
jo_process_ensure_adopted(void)
{
	if (!jo_incarnation_is_adopted())
		ereport(ERROR,
				(errcode(ERRCODE_JO_UNADOPTED_COPY),
				 errmsg("database \"%s\" is a copy that nobody adopted",
						get_database_name(MyDatabaseId)),
				 errdetail("Its logs were written by another cluster or database."),
				 errhint("Use the original, or adopt the copy with journey_orch.adopt().")));
}
