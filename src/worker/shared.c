/*
 * worker/shared.c
 *	  The shared memory of the room: who runs what, and which lanes have news.
 *
 * Exists only when the library is preloaded.  Without it a supervisor keeps
 * the JoDatabase of its own database in a dynamic segment for its workers, and
 * nobody rings: the workers poll.
 *
 * Wake-up: after its commit a backend sets the pending flag of each lane it
 * gave events to, by atomic exchange, and sets the latch of the lane's worker
 * only if the flag was clear, so that many commits ring once.  A worker clears
 * the flag before it takes its snapshot: an event that was not in the snapshot
 * finds the flag clear and rings again.  Setting the latch of a PGPROC that
 * somebody else uses by now is harmless: everybody tolerates a spurious
 * wake-up.
 *
 * Locks, in this order: registry_lock (which slot is whose), then one
 * database's mutex (a spinlock: no error, no system call but kill() inside).
 * Nothing here survives a restart of the postmaster, and nothing needs to.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "storage/spin.h"

#include "worker/shared.h"
#include "worker/worker.h"

#define AREA_NAME "journey_orch worker"

JoWorkerArea *jo_worker_area = NULL;

static shmem_request_hook_type previous_shmem_request_hook = NULL;
static shmem_startup_hook_type previous_shmem_startup_hook = NULL;

static Size
area_size(void)
{
	return add_size(offsetof(JoWorkerArea, database),
					mul_size(jo_max_databases, sizeof(JoDatabase)));
}

static void
request_area(void)
{
	if (previous_shmem_request_hook)
		previous_shmem_request_hook();

	RequestAddinShmemSpace(area_size());
	RequestNamedLWLockTranche(AREA_NAME, 1);
}

static void
attach_area(void)
{
	bool		found;
	int			i;

	if (previous_shmem_startup_hook)
		previous_shmem_startup_hook();

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	jo_worker_area = ShmemInitStruct(AREA_NAME, area_size(), &found);
	if (!found)
	{
		memset(jo_worker_area, 0, area_size());
		jo_worker_area->registry_lock =
			&GetNamedLWLockTranche(AREA_NAME)->lock;
		pg_atomic_init_u32(&jo_worker_area->launcher_procno, 0);
		jo_worker_area->databases = jo_max_databases;
		for (i = 0; i < jo_max_databases; i++)
		{
			SpinLockInit(&jo_worker_area->database[i].mutex);
			jo_worker_database_reset(&jo_worker_area->database[i], InvalidOid,
									 JO_SUPERVISOR_UNKNOWN);
		}
	}
	LWLockRelease(AddinShmemInitLock);
}

/* Ask for the shared memory; called while libraries are preloaded. */
void
jo_worker_shared_init(void)
{
	previous_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_area;
	previous_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = attach_area;
}

void
jo_worker_database_reset(JoDatabase *database, Oid dboid,
						 JoSupervisorState state)
{
	int			i;

	database->state = state;
	database->supervisor_pid = 0;
	database->holds = 0;
	database->must_check = false;
	database->must_stop = false;
	database->failures = 0;
	database->retry_at = 0;
	database->wanted = 0;
	database->last_error[0] = '\0';
	pg_atomic_init_u32(&database->supervisor_procno, 0);
	for (i = 0; i < JO_LANES; i++)
	{
		pg_atomic_init_u32(&database->lane_owner[i], 0);
		pg_atomic_init_u32(&database->lane_pending[i], 0);
	}
	memset(database->worker, 0, sizeof(database->worker));
	for (i = 0; i < JO_WORKERS_MAX; i++)
		pg_atomic_init_u32(&database->worker[i].procno, 0);

	/* last: from here on others find it */
	pg_atomic_write_u32(&database->dboid, dboid);
}

JoDatabase *
jo_worker_database_find(Oid dboid)
{
	int			i;

	if (jo_worker_area == NULL)
		return NULL;

	for (i = 0; i < jo_worker_area->databases; i++)
	{
		JoDatabase *database = &jo_worker_area->database[i];

		if (pg_atomic_read_u32(&database->dboid) == dboid)
			return database;
	}

	return NULL;
}

JoDatabase *
jo_worker_database_ensure(Oid dboid, JoSupervisorState state)
{
	JoDatabase *database;

	LWLockAcquire(jo_worker_area->registry_lock, LW_EXCLUSIVE);
	database = jo_worker_database_find(dboid);
	if (database == NULL)
	{
		database = jo_worker_database_find(InvalidOid);
		if (database != NULL)
			jo_worker_database_reset(database, dboid, state);
	}
	LWLockRelease(jo_worker_area->registry_lock);

	return database;
}

JoDatabase *
jo_worker_database_request(Oid dboid, bool start)
{
	for (;;)
	{
		JoDatabase *database = jo_worker_database_ensure(dboid,
														 JO_SUPERVISOR_UNKNOWN);
		bool		is_done = false;

		if (database == NULL)
			return NULL;

		/* The launcher may just have freed the slot that was found. */
		SpinLockAcquire(&database->mutex);
		if (pg_atomic_read_u32(&database->dboid) == dboid)
		{
			database->must_check = true;
			if (start)
			{
				database->must_stop = false;
				if (database->supervisor_pid == 0 &&
					database->state != JO_SUPERVISOR_STARTING)
					database->state = JO_SUPERVISOR_UNKNOWN;
			}
			is_done = true;
		}
		SpinLockRelease(&database->mutex);

		if (is_done)
		{
			jo_worker_wake(&database->supervisor_procno);
			jo_worker_wake_launcher();
			return database;
		}
	}
}

bool
jo_worker_database_release(JoDatabase *database, bool even_if_requested)
{
	bool		is_free = false;

	LWLockAcquire(jo_worker_area->registry_lock, LW_EXCLUSIVE);
	if (!jo_worker_is_active(database))
	{
		SpinLockAcquire(&database->mutex);
		if (database->holds == 0 &&
			(even_if_requested || !database->must_check))
		{
			pg_atomic_write_u32(&database->dboid, InvalidOid);
			is_free = true;
		}
		SpinLockRelease(&database->mutex);
	}
	LWLockRelease(jo_worker_area->registry_lock);

	return is_free;
}

void
jo_worker_wake(pg_atomic_uint32 *procno)
{
	uint32		number = pg_atomic_read_u32(procno);

	if (number != 0)
		SetLatch(&GetPGProcByNumber(number - 1)->procLatch);
}

void
jo_worker_wake_launcher(void)
{
	if (jo_worker_area != NULL)
		jo_worker_wake(&jo_worker_area->launcher_procno);
}

/*
 * Runs after the commit of the transaction that wrote the events, so they are
 * visible to whoever wakes up, and must not raise.
 */
void
jo_worker_ring(uint32 lanes)
{
	static JoDatabase *mine = NULL;
	uint32		to_wake = 0;
	int			lane;
	int			i;

	if (mine == NULL || pg_atomic_read_u32(&mine->dboid) != MyDatabaseId)
		mine = jo_worker_database_find(MyDatabaseId);
	if (mine == NULL)
		return;

	for (lane = 0; lane < JO_LANES; lane++)
	{
		uint32		owner;

		if ((lanes & ((uint32) 1 << lane)) == 0)
			continue;
		if (pg_atomic_exchange_u32(&mine->lane_pending[lane], 1) != 0)
			continue;
		owner = pg_atomic_read_u32(&mine->lane_owner[lane]);
		if (owner != 0)
			to_wake |= (uint32) 1 << (owner - 1);
	}

	for (i = 0; i < JO_WORKERS_MAX; i++)
	{
		if (to_wake & ((uint32) 1 << i))
			jo_worker_wake(&mine->worker[i].procno);
	}
}

bool
jo_worker_has_processes_locked(JoDatabase *database)
{
	int			i;

	if (database->supervisor_pid != 0)
		return true;
	for (i = 0; i < JO_WORKERS_MAX; i++)
	{
		if (database->worker[i].pid != 0)
			return true;
	}

	return false;
}

bool
jo_worker_is_active(JoDatabase *database)
{
	bool		result;

	SpinLockAcquire(&database->mutex);
	result = database->state == JO_SUPERVISOR_STARTING ||
		jo_worker_has_processes_locked(database);
	SpinLockRelease(&database->mutex);

	return result;
}

const char *
jo_supervisor_state_name(JoSupervisorState state)
{
	switch (state)
	{
		case JO_SUPERVISOR_UNKNOWN:
			return "unknown";
		case JO_SUPERVISOR_STARTING:
			return "starting";
		case JO_SUPERVISOR_RUNNING:
			return "running";
		case JO_SUPERVISOR_ABSENT:
			return "absent";
		case JO_SUPERVISOR_MISMATCHED:
			return "mismatched";
		case JO_SUPERVISOR_COPIED:
			return "copied";
		case JO_SUPERVISOR_STOPPED:
			return "stopped";
		case JO_SUPERVISOR_FAILED:
			return "failed";
	}
	elog(ERROR, "unrecognized supervisor state: %d", (int) state);
	return NULL;
}

const char *
jo_worker_state_name(JoWorkerState state)
{
	switch (state)
	{
		case JO_WORKER_MISSING:
			return "missing";
		case JO_WORKER_IDLE:
			return "idle";
		case JO_WORKER_BUSY:
			return "busy";
		case JO_WORKER_FAILING:
			return "failing";
	}
	elog(ERROR, "unrecognized worker state: %d", (int) state);
	return NULL;
}

int
jo_worker_backoff(int failures)
{
	if (failures > 16)
		return JO_BACKOFF_MAX_MS;
	return Min(JO_BACKOFF_MAX_MS, 250 << failures);
}
