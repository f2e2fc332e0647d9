/*
 * worker/settings.c
 *	  Settings of the room, and what is set up when the library is loaded.
 *
 * With shared_preload_libraries: shared memory, the launcher and the database
 * hook.  Loaded later, by the first function called or by a background worker
 * of ours: the settings only.  During a binary upgrade nothing of ours may
 * run, so nothing is registered.
 */
#include "postgres.h"

#include <limits.h>

#include "miscadmin.h"
#include "utils/guc.h"

#include "capture/capture.h"
#include "core/clock.h"
#include "worker/internal.h"
#include "worker/shared.h"
#include "worker/worker.h"

int			jo_workers = 2;
bool		jo_autostart = true;
int			jo_poll_interval = 1000;
int			jo_batch_timeout = 30000;
int			jo_max_databases = 64;

static void
define_settings(void)
{
	DefineCustomIntVariable("journey_orch.workers",
							"Sets the number of lane workers of a database.",
							"Each needs a slot of max_worker_processes, beside one for the launcher and one for the database's supervisor.",
							&jo_workers,
							2, 1, JO_WORKERS_MAX,
							PGC_SIGHUP, 0,
							NULL, NULL, NULL);
	DefineCustomBoolVariable("journey_orch.autostart",
							 "Starts workers at boot and when CREATE EXTENSION commits.",
							 "Off: only start_worker() starts them.  Needs the library in shared_preload_libraries.",
							 &jo_autostart,
							 true,
							 PGC_SIGHUP, 0,
							 NULL, NULL, NULL);
	DefineCustomIntVariable("journey_orch.poll_interval",
							"Sets how long a lane may go without being looked at.",
							"A safety net when workers are rung at commit; without shared memory it is the time an event waits.",
							&jo_poll_interval,
							1000, 10, 60 * 60 * 1000,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
	DefineCustomIntVariable("journey_orch.batch_timeout",
							"Sets the longest time a batch of a worker may take.",
							"A batch that takes longer is done again one customer at a time, and the run of a step that still takes longer is parked.  0 turns it off.",
							&jo_batch_timeout,
							30000, 0, INT_MAX,
							PGC_SIGHUP, GUC_UNIT_MS,
							NULL, NULL, NULL);
}

/* The clock was changed in this transaction: anything may be due. */
static void
mark_every_lane(void)
{
	jo_lane_mark(JO_EVERY_LANE);
}

void
jo_worker_init(void)
{
	define_settings();

	if (!process_shared_preload_libraries_in_progress)
		return;

	DefineCustomIntVariable("journey_orch.max_databases",
							"Sets how many databases may have workers.",
							"Databases without the extension do not count.",
							&jo_max_databases,
							64, 1, 10000,
							PGC_POSTMASTER, 0,
							NULL, NULL, NULL);

	if (IsBinaryUpgrade)
		return;

	jo_worker_shared_init();
	jo_worker_launcher_register();
	jo_worker_database_init();
	jo_worker_control_init();
	jo_lane_ring = jo_worker_ring;
	jo_clock_changed = mark_every_lane;
}
