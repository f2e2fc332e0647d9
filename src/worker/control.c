/*
 * worker/control.c
 *	  start_worker(), stop_worker(), and what CREATE and DROP EXTENSION say at
 *	  their commit.
 *
 * With the library preloaded they steer what the launcher does: stopped stays
 * stopped until start_worker() or a restart of the server.  Without it
 * start_worker() starts the database's supervisor itself, and stop_worker()
 * finds the processes by their type; a supervisor that gets SIGTERM ends for
 * good and takes its workers with it.
 *
 * Not transactional, like pg_terminate_backend(): both act at once, and wait
 * for the effect.
 */
#include "postgres.h"

#include <signal.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "storage/latch.h"
#include "storage/spin.h"
#include "utils/acl.h"
#include "utils/backend_status.h"
#include "utils/timestamp.h"

#include "core/errors.h"
#include "worker/internal.h"
#include "worker/process.h"
#include "worker/worker.h"

#define START_TIMEOUT_MS 10000
#define STOP_TIMEOUT_MS 10000
#define POLL_MS 10

/* Without preload the postmaster starts a supervisor that failed again. */
#define SUPERVISOR_RESTART_SECONDS 5

PG_FUNCTION_INFO_V1(journey_orch_start_worker);
PG_FUNCTION_INFO_V1(journey_orch_stop_worker);
PG_FUNCTION_INFO_V1(journey_orch_announce);

/* The extension was created, updated or dropped in this transaction. */
static bool must_announce = false;

static object_access_hook_type previous_object_access_hook = NULL;

int
jo_worker_find_processes(const char *type, pid_t *pids, int size)
{
	int			count = 0;
	int			backends = pgstat_fetch_stat_numbackends();
	int			i;

	for (i = 1; i <= backends; i++)
	{
		LocalPgBackendStatus *local = pgstat_fetch_stat_local_beentry(i);
		PgBackendStatus *entry = &local->backendStatus;
		const char *entry_type;

		if (entry->st_procpid == 0 ||
			entry->st_backendType != B_BG_WORKER ||
			entry->st_databaseid != MyDatabaseId)
			continue;
		entry_type = GetBackgroundWorkerTypeByPid(entry->st_procpid);
		if (entry_type == NULL || strcmp(entry_type, type) != 0)
			continue;
		if (count < size)
			pids[count] = entry->st_procpid;
		count++;
	}

	return count;
}

/* The same, as of now and not as of the transaction's first look. */
static int
count_processes(const char *type, pid_t *pids, int size)
{
	pgstat_clear_backend_activity_snapshot();
	return jo_worker_find_processes(type, pids, size);
}

static TimestampTz
deadline_in(int timeout_ms)
{
	return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), timeout_ms);
}

/* Sleep a moment; false when the deadline has passed. */
static bool
wait_a_moment(TimestampTz deadline)
{
	CHECK_FOR_INTERRUPTS();
	if (GetCurrentTimestamp() >= deadline)
		return false;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 POLL_MS, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	return true;
}

static void
complain(const char *reason)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_WORKER_UNAVAILABLE),
			 errmsg("the workers of database \"%s\" did not start",
					get_database_name(MyDatabaseId)),
			 errdetail_internal("%s.", reason),
			 errhint("See the server log, view journey_orch.worker_status, and max_worker_processes.")));
}

/* Number of lane workers that have lanes or can be given some. */
static int
count_ready(JoDatabase *database)
{
	int			count = 0;
	int			i;

	for (i = 0; i < JO_WORKERS_MAX; i++)
	{
		if (pg_atomic_read_u32(&database->worker[i].procno) != 0)
			count++;
	}

	return count;
}

/* start_worker() with the library preloaded. */
static int
start_through_launcher(void)
{
	TimestampTz deadline = deadline_in(START_TIMEOUT_MS);
	JoDatabase *database;
	int			ready;

	database = jo_worker_database_request(MyDatabaseId, true);
	if (database == NULL)
		complain("All slots are taken: increase journey_orch.max_databases");

	while ((ready = count_ready(database)) == 0)
	{
		char		reason[JO_WORKER_ERROR_LENGTH];
		bool		is_final;

		SpinLockAcquire(&database->mutex);
		strlcpy(reason, database->last_error, sizeof(reason));
		is_final = pg_atomic_read_u32(&database->dboid) != MyDatabaseId ||
			(database->supervisor_pid == 0 && !database->must_check &&
			 (database->state == JO_SUPERVISOR_ABSENT ||
			  database->state == JO_SUPERVISOR_MISMATCHED ||
			  database->state == JO_SUPERVISOR_COPIED));
		SpinLockRelease(&database->mutex);
		if (is_final || !wait_a_moment(deadline))
			complain(reason[0] ? reason : "They did not answer in time");
	}

	return ready;
}

/* start_worker() without shared memory. */
static int
start_directly(void)
{
	TimestampTz deadline = deadline_in(START_TIMEOUT_MS);
	BackgroundWorkerHandle *handle = NULL;
	JoProcessArguments arguments;
	pid_t		pid;
	int			ready;

	if (count_processes(JO_SUPERVISOR_TYPE, NULL, 0) == 0)
	{
		memset(&arguments, 0, sizeof(arguments));
		arguments.dboid = MyDatabaseId;
		arguments.engine = get_role_oid(JO_ENGINE_ROLE, false);
		arguments.segment = DSM_HANDLE_INVALID;
		if (!jo_process_register(JO_SUPERVISOR_TYPE,
								 "journey_orch_supervisor_main", &arguments,
								 SUPERVISOR_RESTART_SECONDS, &handle))
			complain("No background worker slot is free: increase max_worker_processes");
		if (WaitForBackgroundWorkerStartup(handle, &pid) != BGWH_STARTED)
			complain("The supervisor ended at once");
	}

	while ((ready = count_processes(JO_WORKER_TYPE, NULL, 0)) == 0)
	{
		if (handle != NULL &&
			GetBackgroundWorkerPid(handle, &pid) == BGWH_STOPPED)
			complain("The supervisor ended at once");
		if (!wait_a_moment(deadline))
			complain("They did not answer in time: perhaps no background worker slot is free");
	}

	return ready;
}

Datum
journey_orch_start_worker(PG_FUNCTION_ARGS)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("workers cannot run during recovery"),
				 errhint("With the library preloaded they start when this server is promoted.")));
	jo_process_ensure_adopted();

	PG_RETURN_INT32(jo_worker_area != NULL ? start_through_launcher() :
					start_directly());
}

Datum
journey_orch_stop_worker(PG_FUNCTION_ARGS)
{
	TimestampTz deadline = deadline_in(STOP_TIMEOUT_MS);
	JoDatabase *database;
	pid_t		pids[1];
	int			count;

	database = jo_worker_database_find(MyDatabaseId);
	if (jo_worker_area != NULL && database == NULL)
		database = jo_worker_database_ensure(MyDatabaseId,
											 JO_SUPERVISOR_STOPPED);
	count = count_processes(JO_WORKER_TYPE, NULL, 0);

	if (database != NULL)
	{
		SpinLockAcquire(&database->mutex);
		database->must_stop = true;
		if (database->supervisor_pid == 0 &&
			database->state != JO_SUPERVISOR_STARTING)
			database->state = JO_SUPERVISOR_STOPPED;
		SpinLockRelease(&database->mutex);
		if (!jo_worker_await_end(database, STOP_TIMEOUT_MS))
			ereport(ERROR,
					(errcode(ERRCODE_JO_WORKER_UNAVAILABLE),
					 errmsg("the workers did not end in time"),
					 errhint("They end with their current batch; see pg_stat_activity.")));
		PG_RETURN_INT32(count);
	}

	while (count_processes(JO_SUPERVISOR_TYPE, pids, 1) > 0 ||
		   count_processes(JO_WORKER_TYPE, NULL, 0) > 0)
	{
		if (count_processes(JO_SUPERVISOR_TYPE, pids, 1) > 0)
			(void) kill(pids[0], SIGTERM);
		if (!wait_a_moment(deadline))
			ereport(ERROR,
					(errcode(ERRCODE_JO_WORKER_UNAVAILABLE),
					 errmsg("the workers did not end in time"),
					 errhint("They end with their current batch; see pg_stat_activity.")));
	}

	PG_RETURN_INT32(count);
}

/* After the commit: the launcher, or the supervisor, looks again. */
static void
announce_at_commit(XactEvent event, void *argument)
{
	if (!must_announce ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		 event != XACT_EVENT_PREPARE))
		return;
	must_announce = false;
	if (event != XACT_EVENT_COMMIT)
		return;

	/* Without autostart only what start_worker() started before. */
	if (!jo_autostart && jo_worker_database_find(MyDatabaseId) == NULL)
		return;
	(void) jo_worker_database_request(MyDatabaseId, false);
}

/* When this transaction commits, whoever starts workers shall look at this
 * database. */
static void
mark_announcement(void)
{
	static bool is_registered = false;

	if (!is_registered)
	{
		RegisterXactCallback(announce_at_commit, NULL);
		is_registered = true;
	}
	must_announce = true;
}

/* Called by the extension's scripts, at CREATE EXTENSION and at an update. */
Datum
journey_orch_announce(PG_FUNCTION_ARGS)
{
	if (jo_worker_area != NULL)
		mark_announcement();

	PG_RETURN_VOID();
}

/* DROP EXTENSION, in whatever way: the workers need not wait for their poll to
 * find out. */
static void
watch_drops(ObjectAccessType access, Oid class_oid, Oid object_oid, int subid,
			void *argument)
{
	if (previous_object_access_hook)
		previous_object_access_hook(access, class_oid, object_oid, subid,
									argument);

	if (access == OAT_DROP && class_oid == ExtensionRelationId &&
		object_oid == get_extension_oid("journey_orch", true))
		mark_announcement();
}

void
jo_worker_control_init(void)
{
	previous_object_access_hook = object_access_hook;
	object_access_hook = watch_drops;
}
