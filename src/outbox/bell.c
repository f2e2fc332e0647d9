/*
 * outbox/bell.c
 *	  Wakes the sessions that wait for messages.
 *
 * One condition variable for the server, rung after the commit of any
 * transaction that enqueued an attempt: its rows are visible then.  Whoever
 * wakes looks for himself, so a ring too many is harmless.  A prepared
 * transaction rings nobody when it is committed; sleepers look again after
 * journey_orch.max_poll anyway.
 *
 * Shared memory needs the library to be preloaded.  Without it there is no
 * bell, and waiting is polling.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/condition_variable.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/wait_event.h"

#include "outbox/internal.h"

typedef struct Bell
{
	ConditionVariable rung;
} Bell;

static Bell *bell = NULL;		/* NULL: not preloaded */
static bool is_pulled = false;	/* this transaction enqueued something */

static shmem_request_hook_type previous_shmem_request_hook = NULL;
static shmem_startup_hook_type previous_shmem_startup_hook = NULL;

static void
request_bell(void)
{
	if (previous_shmem_request_hook)
		previous_shmem_request_hook();
	RequestAddinShmemSpace(MAXALIGN(sizeof(Bell)));
}

static void
attach_bell(void)
{
	bool		found;

	if (previous_shmem_startup_hook)
		previous_shmem_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	bell = ShmemInitStruct("journey_orch bell", sizeof(Bell), &found);
	if (!found)
		ConditionVariableInit(&bell->rung);
	LWLockRelease(AddinShmemInitLock);
}

void
jo_bell_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
		return;
	previous_shmem_request_hook = shmem_request_hook;
	shmem_request_hook = request_bell;
	previous_shmem_startup_hook = shmem_startup_hook;
	shmem_startup_hook = attach_bell;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	if (is_pulled && event == XACT_EVENT_COMMIT)
		ConditionVariableBroadcast(&bell->rung);
	is_pulled = false;
}

void
jo_bell_pull(void)
{
	static bool is_registered = false;

	if (bell == NULL)
		return;
	if (!is_registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		is_registered = true;
	}
	is_pulled = true;
}

bool
jo_bell_exists(void)
{
	return bell != NULL;
}

void
jo_bell_prepare(void)
{
	ConditionVariablePrepareToSleep(&bell->rung);
}

void
jo_bell_sleep(long milliseconds)
{
	(void) ConditionVariableTimedSleep(&bell->rung, milliseconds,
									   PG_WAIT_EXTENSION);
}

void
jo_bell_leave(void)
{
	ConditionVariableCancelSleep();
}
