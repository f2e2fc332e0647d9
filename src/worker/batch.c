/*
 * worker/batch.c
 *	  One batch of one lane: the locks around jo_batch_run().
 *
 * Lock order: the extension, then the lane, then whatever the batch opens.
 * DROP EXTENSION locks the extension exclusively before any table, so it waits
 * for the batches under way and keeps the next ones out; a batch never meets
 * half of the tables, and the two cannot deadlock.
 *
 * The lane's lock comes before the batch's snapshot: whoever held it before
 * has committed, and its cursor is seen.
 */
#include "postgres.h"

#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "storage/lmgr.h"

#include "core/clock.h"
#include "core/lane.h"
#include "core/leaf.h"
#include "worker/internal.h"

JoLaneOutcome
jo_worker_batch(Oid extension, bool wait, const JoBatchOrder *order,
				JoBatchResult *result)
{
	memset(result, 0, sizeof(*result));
	result->next_due = JO_NO_TIME;

	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	if (get_extension_oid("journey_orch", true) != extension)
		return JO_LANE_GONE;
	if (!jo_leaf_exists())
		return JO_LANE_DONE;

	if (wait)
		jo_lock(JO_LOCK_LANE, order->lane);
	else if (!jo_lock_conditional(JO_LOCK_LANE, order->lane))
		return JO_LANE_TAKEN;

	jo_batch_run(order, result);
	return JO_LANE_DONE;
}

bool
jo_worker_fan_out(Oid extension, bool wait, TimestampTz until,
				  const ErrorData *given_up)
{
	LockDatabaseObject(ExtensionRelationId, extension, 0, AccessShareLock);
	if (get_extension_oid("journey_orch", true) != extension)
		return false;
	if (given_up != NULL)
	{
		/* commits before anything else that may be as slow */
		jo_fan_out_give_up(given_up);
		return true;
	}
	return jo_fan_out_run(wait, until) == JO_FAN_OUT_WORKED;
}
