/*
 * worker/status.c
 *	  What runs where: the rows behind worker_status and lane_status.
 *
 * With shared memory every database's processes are shown, from what they
 * write there themselves; without it, what the server knows of the background
 * processes in this database, and the columns that only shared memory has are
 * NULL.  Also on a standby, where nothing runs.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "commands/dbcommands.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/spin.h"
#include "utils/array.h"
#include "utils/backend_status.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "worker/internal.h"
#include "worker/process.h"
#include "worker/worker.h"

PG_FUNCTION_INFO_V1(journey_orch_worker_status);
PG_FUNCTION_INFO_V1(journey_orch_lane_owner);

/* Columns of _worker_status(). */
enum
{
	COLUMN_PROCESS,
	COLUMN_DATABASE,
	COLUMN_PID,
	COLUMN_STATE,
	COLUMN_LANES,
	COLUMN_FAILING_LANES,
	COLUMN_CAREFUL_LANES,
	COLUMN_BATCHES,
	COLUMN_STARTED_AT,
	COLUMN_LAST_BATCH_AT,
	COLUMN_LAST_ERROR_AT,
	COLUMN_LAST_ERROR,
	COLUMNS
};

typedef struct Row
{
	Datum		values[COLUMNS];
	bool		isnull[COLUMNS];
} Row;

static void
set_column(Row *row, int column, Datum value)
{
	row->values[column] = value;
	row->isnull[column] = false;
}

/* Leaves the column NULL when the instant is 0. */
static void
set_instant(Row *row, int column, TimestampTz instant)
{
	if (instant != 0)
		set_column(row, column, TimestampTzGetDatum(instant));
}

/* Leaves the column NULL when the text is empty. */
static void
set_text(Row *row, int column, const char *text)
{
	if (text[0] != '\0')
		set_column(row, column, CStringGetTextDatum(text));
}

static void
begin_row(Row *row, const char *process, Oid dboid, pid_t pid,
		  const char *state)
{
	char	   *name = OidIsValid(dboid) ? get_database_name(dboid) : NULL;

	memset(row->values, 0, sizeof(row->values));
	memset(row->isnull, true, sizeof(row->isnull));
	set_text(row, COLUMN_PROCESS, process);
	if (name != NULL)
		set_column(row, COLUMN_DATABASE,
				   DirectFunctionCall1(namein, CStringGetDatum(name)));
	if (pid != 0)
		set_column(row, COLUMN_PID, Int32GetDatum(pid));
	set_text(row, COLUMN_STATE, state);
}

static void
put_row(ReturnSetInfo *result, Row *row)
{
	tuplestore_putvalues(result->setResult, result->setDesc, row->values,
						 row->isnull);
}

static Datum
lane_array(uint32 lanes)
{
	Datum		elements[JO_LANES];
	int			count = 0;
	int			lane;

	for (lane = 0; lane < JO_LANES; lane++)
	{
		if (lanes & ((uint32) 1 << lane))
			elements[count++] = Int32GetDatum(lane);
	}

	return PointerGetDatum(construct_array(elements, count, INT4OID, 4, true,
										   TYPALIGN_INT));
}

static void
put_worker(ReturnSetInfo *result, Oid dboid, const JoDatabase *database,
		   int index)
{
	const JoWorkerSlot *slot = &database->worker[index];
	uint32		lanes = 0;
	int			lane;
	Row			row;

	for (lane = 0; lane < JO_LANES; lane++)
	{
		if (pg_atomic_read_u32((pg_atomic_uint32 *) &database->lane_owner[lane]) ==
			(uint32) index + 1)
			lanes |= (uint32) 1 << lane;
	}

	begin_row(&row, "worker", dboid, slot->pid,
			  jo_worker_state_name(slot->state));
	set_column(&row, COLUMN_LANES, lane_array(lanes));
	set_column(&row, COLUMN_FAILING_LANES, lane_array(slot->failing_lanes));
	set_column(&row, COLUMN_CAREFUL_LANES, lane_array(slot->careful_lanes));
	set_column(&row, COLUMN_BATCHES, Int64GetDatum(slot->batches));
	if (slot->pid != 0)
		set_instant(&row, COLUMN_STARTED_AT, slot->started_at);
	set_instant(&row, COLUMN_LAST_BATCH_AT, slot->last_batch_at);
	set_instant(&row, COLUMN_LAST_ERROR_AT, slot->last_error_at);
	set_text(&row, COLUMN_LAST_ERROR, slot->last_error);
	put_row(result, &row);
}

/* Rows of one database, from a copy of its slot. */
static void
put_database(ReturnSetInfo *result, JoDatabase *shared)
{
	Oid			dboid = pg_atomic_read_u32(&shared->dboid);
	JoDatabase	copy;
	Row			row;
	int			i;

	if (!OidIsValid(dboid))
		return;
	SpinLockAcquire(&shared->mutex);
	memcpy(&copy, shared, sizeof(copy));
	SpinLockRelease(&shared->mutex);

	begin_row(&row, "supervisor", dboid, copy.supervisor_pid,
			  jo_supervisor_state_name(copy.state));
	set_text(&row, COLUMN_LAST_ERROR, copy.last_error);
	put_row(result, &row);

	for (i = 0; i < JO_WORKERS_MAX; i++)
	{
		if (copy.worker[i].pid != 0 || i < copy.wanted)
			put_worker(result, dboid, &copy, i);
	}
}

/* Rows of this database without shared memory. */
static void
put_processes(ReturnSetInfo *result)
{
	int			backends = pgstat_fetch_stat_numbackends();
	bool		has_supervisor = false;
	Row			row;
	int			i;

	for (i = 1; i <= backends; i++)
	{
		PgBackendStatus *entry;
		const char *type;

		entry = &pgstat_fetch_stat_local_beentry(i)->backendStatus;
		if (entry->st_procpid == 0 || entry->st_backendType != B_BG_WORKER ||
			entry->st_databaseid != MyDatabaseId)
			continue;
		type = GetBackgroundWorkerTypeByPid(entry->st_procpid);
		if (type == NULL)
			continue;
		if (strcmp(type, JO_SUPERVISOR_TYPE) == 0)
		{
			has_supervisor = true;
			begin_row(&row, "supervisor", MyDatabaseId, entry->st_procpid,
					  jo_supervisor_state_name(JO_SUPERVISOR_RUNNING));
		}
		else if (strcmp(type, JO_WORKER_TYPE) == 0)
			begin_row(&row, "worker", MyDatabaseId, entry->st_procpid,
					  jo_worker_state_name(entry->st_state == STATE_RUNNING ?
										   JO_WORKER_BUSY : JO_WORKER_IDLE));
		else
			continue;
		set_instant(&row, COLUMN_STARTED_AT, entry->st_proc_start_timestamp);
		put_row(result, &row);
	}

	if (!has_supervisor)
	{
		begin_row(&row, "supervisor", MyDatabaseId, 0,
				  jo_supervisor_state_name(JO_SUPERVISOR_STOPPED));
		put_row(result, &row);
	}
}

Datum
journey_orch_worker_status(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Row			row;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	if (jo_worker_area == NULL)
	{
		put_processes(result);
		return (Datum) 0;
	}

	begin_row(&row, "launcher", InvalidOid, jo_worker_area->launcher_pid,
			  jo_worker_area->launcher_pid != 0 ? "running" : "missing");
	put_row(result, &row);
	for (i = 0; i < jo_worker_area->databases; i++)
		put_database(result, &jo_worker_area->database[i]);
	if (jo_worker_database_find(MyDatabaseId) == NULL)
	{
		begin_row(&row, "supervisor", MyDatabaseId, 0,
				  jo_supervisor_state_name(JO_SUPERVISOR_STOPPED));
		put_row(result, &row);
	}

	return (Datum) 0;
}

/* One row a lane: lane, pid of the worker that owns it, whether it fails, and
 * whether it goes carefully. */
Datum
journey_orch_lane_owner(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	JoDatabase *database;
	int			lane;

	InitMaterializedSRF(fcinfo, 0);
	database = jo_worker_database_find(MyDatabaseId);
	for (lane = 0; lane < JO_LANES; lane++)
	{
		Datum		values[4];
		bool		isnull[4] = {false, true, true, true};
		uint32		owner = 0;

		values[0] = Int32GetDatum(lane);
		values[1] = values[2] = values[3] = (Datum) 0;
		if (database != NULL)
			owner = pg_atomic_read_u32(&database->lane_owner[lane]);
		if (owner != 0)
		{
			JoWorkerSlot *slot = &database->worker[owner - 1];
			pid_t		pid;
			uint32		failing;
			uint32		careful;

			SpinLockAcquire(&database->mutex);
			pid = slot->pid;
			failing = slot->failing_lanes;
			careful = slot->careful_lanes;
			SpinLockRelease(&database->mutex);
			values[1] = Int32GetDatum(pid);
			isnull[1] = pid == 0;
			values[2] = BoolGetDatum((failing & ((uint32) 1 << lane)) != 0);
			isnull[2] = false;
			values[3] = BoolGetDatum((careful & ((uint32) 1 << lane)) != 0);
			isnull[3] = false;
		}
		tuplestore_putvalues(result->setResult, result->setDesc, values,
							 isnull);
	}

	return (Datum) 0;
}
