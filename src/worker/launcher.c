/*
 * worker/launcher.c
 *	  One process a server: sees to it that every database that has the
 *	  extension has a supervisor.
 *
 * Starts when recovery has finished, so nothing of ours runs on a standby and
 * a promotion starts it.  It is connected to no database and reads shared
 * catalogs only.  Whether a database has the extension is found out by its
 * supervisor, because only from inside can one see; supervisors are probed one
 * at a time, so that a server with many databases needs one slot for it.  A
 * database that turned out to have none is remembered here and costs nothing
 * until CREATE EXTENSION commits there and says so (jo_worker_announce).
 *
 * Without the engine role no database can have the extension, and nothing is
 * started at all.
 *
 * If the launcher dies, the postmaster starts it again; supervisors go on.
 */
#include "postgres.h"

#include <signal.h>

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/spin.h"
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "worker/internal.h"
#include "worker/process.h"
#include "worker/worker.h"

/* How often pg_database is read without being asked to. */
#define SCAN_INTERVAL_MS (60 * 1000)

/* How soon the postmaster starts a launcher that ended. */
#define RESTART_SECONDS 2

/* At most one line about the same trouble in this time. */
#define COMPLAINT_INTERVAL_MS (60 * 1000)

PGDLLEXPORT void journey_orch_launcher_main(Datum argument);

/* Databases that were found to have no extension. */
static List *absent_databases = NIL;

/* The supervisor that is looking at its database now. */
static BackgroundWorkerHandle *probe_handle = NULL;
static JoDatabase *probe_database = NULL;

static TimestampTz register_retry_at = 0;
static int	register_failures = 0;
static TimestampTz last_complaint_at = 0;

void
jo_worker_launcher_register(void)
{
	BackgroundWorker worker;

	memset(&worker, 0, sizeof(worker));
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
		BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART_SECONDS;
	strlcpy(worker.bgw_library_name, "journey_orch", BGW_MAXLEN);
	strlcpy(worker.bgw_function_name, "journey_orch_launcher_main", BGW_MAXLEN);
	strlcpy(worker.bgw_name, JO_LAUNCHER_TYPE, BGW_MAXLEN);
	strlcpy(worker.bgw_type, JO_LAUNCHER_TYPE, BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}

static void
launcher_exit(int code, Datum argument)
{
	pg_atomic_write_u32(&jo_worker_area->launcher_procno, 0);
	jo_worker_area->launcher_pid = 0;
}

/* True at most once in COMPLAINT_INTERVAL_MS. */
static bool
may_complain(void)
{
	TimestampTz now = GetCurrentTimestamp();

	if (!TimestampDifferenceExceeds(last_complaint_at, now,
									COMPLAINT_INTERVAL_MS))
		return false;
	last_complaint_at = now;
	return true;
}

/* A slot for each database of the list that is not known to lack the
 * extension. */
static void
add_databases(List *dboids)
{
	ListCell   *cell;

	foreach(cell, dboids)
	{
		Oid			dboid = lfirst_oid(cell);

		if (list_member_oid(absent_databases, dboid))
			continue;
		if (jo_worker_database_ensure(dboid, JO_SUPERVISOR_UNKNOWN) == NULL &&
			may_complain())
			ereport(WARNING,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("journey_orch starts no workers for database %u",
							dboid),
					 errdetail("All %d database slots are taken.",
							   jo_worker_area->databases),
					 errhint("Increase journey_orch.max_databases.")));
	}
}

/*
 * Free the slots of databases that are gone, became templates or may not be
 * connected to any more; processes that still run there are ended first.
 */
static void
drop_databases(List *dboids)
{
	ListCell   *cell;
	int			i;

	for (i = 0; i < jo_worker_area->databases; i++)
	{
		JoDatabase *database = &jo_worker_area->database[i];
		Oid			dboid = pg_atomic_read_u32(&database->dboid);

		if (OidIsValid(dboid) && !list_member_oid(dboids, dboid) &&
			!jo_worker_database_release(database, true))
			jo_worker_terminate(database);
	}

	foreach(cell, absent_databases)
	{
		if (!list_member_oid(dboids, lfirst_oid(cell)))
			absent_databases = foreach_delete_current(absent_databases, cell);
	}
}

/*
 * Read pg_database and bring the slots up to date.  Returns the engine role,
 * or InvalidOid when there is none.
 */
static Oid
scan_databases(void)
{
	Relation	relation;
	TableScanDesc scan;
	HeapTuple	tuple;
	List	   *dboids = NIL;
	Oid			engine;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	(void) GetTransactionSnapshot();

	engine = get_role_oid(JO_ENGINE_ROLE, true);
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database database = (Form_pg_database) GETSTRUCT(tuple);

		if (database->datallowconn && !database->datistemplate)
			dboids = lappend_oid(dboids, database->oid);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);

	MemoryContextSwitchTo(TopMemoryContext);
	drop_databases(dboids);
	if (OidIsValid(engine) && jo_autostart)
		add_databases(dboids);
	CommitTransactionCommand();

	return engine;
}

/*
 * See what became of the supervisor that was started last.  True while it
 * still looks.
 */
static bool
is_probing(void)
{
	pid_t		pid;
	JoSupervisorState state;

	if (probe_handle == NULL)
		return false;

	SpinLockAcquire(&probe_database->mutex);
	state = probe_database->state;
	SpinLockRelease(&probe_database->mutex);

	if (state == JO_SUPERVISOR_STARTING)
	{
		if (GetBackgroundWorkerPid(probe_handle, &pid) != BGWH_STOPPED)
			return true;

		/* It never came to life: the postmaster could not start it. */
		SpinLockAcquire(&probe_database->mutex);
		if (probe_database->state == JO_SUPERVISOR_STARTING &&
			probe_database->supervisor_pid == 0)
		{
			probe_database->state = JO_SUPERVISOR_FAILED;
			probe_database->failures++;
			probe_database->retry_at =
				TimestampTzPlusMilliseconds(GetCurrentTimestamp(),
											jo_worker_backoff(probe_database->failures));
		}
		SpinLockRelease(&probe_database->mutex);
	}

	pfree(probe_handle);
	probe_handle = NULL;
	probe_database = NULL;
	return false;
}

/* Databases without the extension need no slot, only to be remembered. */
static void
forget_absent_databases(void)
{
	int			i;

	for (i = 0; i < jo_worker_area->databases; i++)
	{
		JoDatabase *database = &jo_worker_area->database[i];
		Oid			dboid = pg_atomic_read_u32(&database->dboid);
		bool		is_absent;

		if (!OidIsValid(dboid))
			continue;
		SpinLockAcquire(&database->mutex);
		is_absent = database->state == JO_SUPERVISOR_ABSENT &&
			!database->must_check;
		SpinLockRelease(&database->mutex);
		if (is_absent && jo_worker_database_release(database, false))
			absent_databases = list_append_unique_oid(absent_databases, dboid);
	}
}

/*
 * Claim the next database that needs a supervisor: its state becomes STARTING.
 * Else sets *wait_ms to the time until one does, if that is sooner.
 */
static JoDatabase *
claim_database(TimestampTz now, long *wait_ms)
{
	int			i;

	for (i = 0; i < jo_worker_area->databases; i++)
	{
		JoDatabase *database = &jo_worker_area->database[i];
		bool		is_claimed = false;

		if (!OidIsValid(pg_atomic_read_u32(&database->dboid)))
			continue;

		SpinLockAcquire(&database->mutex);
		if (database->must_check &&
			(database->state == JO_SUPERVISOR_ABSENT ||
			 database->state == JO_SUPERVISOR_MISMATCHED ||
			 database->state == JO_SUPERVISOR_COPIED))
			database->state = JO_SUPERVISOR_UNKNOWN;
		if (database->holds == 0 && !database->must_stop &&
			!jo_worker_has_processes_locked(database) &&
			(database->state == JO_SUPERVISOR_UNKNOWN ||
			 database->state == JO_SUPERVISOR_FAILED))
		{
			if (database->state == JO_SUPERVISOR_UNKNOWN ||
				database->retry_at <= now)
			{
				database->state = JO_SUPERVISOR_STARTING;
				database->must_check = false;
				is_claimed = true;
			}
			else
				*wait_ms = Min(*wait_ms,
							   TimestampDifferenceMilliseconds(now,
															   database->retry_at));
		}
		SpinLockRelease(&database->mutex);

		if (is_claimed)
			return database;
	}

	return NULL;
}

/* No slot of max_worker_processes is free: say so and try later. */
static void
give_back(JoDatabase *database, TimestampTz now)
{
	register_failures++;
	register_retry_at =
		TimestampTzPlusMilliseconds(now, jo_worker_backoff(register_failures));

	SpinLockAcquire(&database->mutex);
	database->state = JO_SUPERVISOR_FAILED;
	database->retry_at = register_retry_at;
	strlcpy(database->last_error,
			"no background worker slot is free: increase max_worker_processes",
			sizeof(database->last_error));
	SpinLockRelease(&database->mutex);

	if (may_complain())
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("could not start the journey_orch supervisor of database %u",
						pg_atomic_read_u32(&database->dboid)),
				 errdetail("No background worker slot is free."),
				 errhint("Increase max_worker_processes: journey_orch needs one, and one plus journey_orch.workers for each database.")));
}

/* Start what can be started.  Returns how long to sleep, in milliseconds. */
static long
start_supervisors(Oid engine)
{
	TimestampTz now = GetCurrentTimestamp();
	long		wait_ms = SCAN_INTERVAL_MS;
	JoProcessArguments arguments;
	JoDatabase *database;

	forget_absent_databases();
	if (!OidIsValid(engine) || is_probing())
		return wait_ms;
	if (register_retry_at > now)
		return TimestampDifferenceMilliseconds(now, register_retry_at);

	database = claim_database(now, &wait_ms);
	if (database == NULL)
		return wait_ms;

	memset(&arguments, 0, sizeof(arguments));
	arguments.dboid = pg_atomic_read_u32(&database->dboid);
	arguments.engine = engine;
	arguments.segment = DSM_HANDLE_INVALID;
	if (!jo_process_register(JO_SUPERVISOR_TYPE,
							 "journey_orch_supervisor_main", &arguments,
							 BGW_NEVER_RESTART, &probe_handle))
	{
		give_back(database, now);
		return jo_worker_backoff(register_failures);
	}
	register_failures = 0;
	probe_database = database;
	return wait_ms;
}

/*
 * After a crash of the launcher alone: a database that was being started may
 * have lost its supervisor before that could say so.
 */
static void
adopt_databases(void)
{
	int			i;

	for (i = 0; i < jo_worker_area->databases; i++)
	{
		JoDatabase *database = &jo_worker_area->database[i];

		SpinLockAcquire(&database->mutex);
		if (database->state == JO_SUPERVISOR_STARTING &&
			database->supervisor_pid == 0)
		{
			database->state = JO_SUPERVISOR_FAILED;
			database->retry_at =
				TimestampTzPlusMilliseconds(GetCurrentTimestamp(), 5000);
		}
		SpinLockRelease(&database->mutex);
	}
}

void
journey_orch_launcher_main(Datum argument)
{
	Oid			engine;

	jo_process_begin(SignalHandlerForShutdownRequest);
	if (jo_worker_area == NULL)
		proc_exit(0);
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	before_shmem_exit(launcher_exit, 0);
	jo_worker_area->launcher_pid = MyProcPid;
	pg_atomic_write_u32(&jo_worker_area->launcher_procno,
						MyProc->pgprocno + 1);
	pgstat_report_appname(JO_LAUNCHER_TYPE);
	adopt_databases();

	for (;;)
	{
		long		wait_ms;
		int			events;

		jo_process_interrupts();

		/* Status 0 would tell the postmaster not to start us again. */
		if (ShutdownRequestPending)
			proc_exit(1);

		engine = scan_databases();
		wait_ms = start_supervisors(engine);

		events = WaitLatch(MyLatch,
						   WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						   wait_ms, PG_WAIT_EXTENSION);
		if (events & WL_LATCH_SET)
			ResetLatch(MyLatch);
	}
}
