/*
 * capture/ring.c
 *	  Tells the lanes, after commit, that they have work.
 *
 * Each backend collects the lanes of its transaction in one word.  The word is
 * rung once, after the commit is visible to others and its invalidation
 * messages are on their way, and thrown away by an abort or a PREPARE.  (The
 * commit callback comes before the messages: a worker rung from there could
 * still see the old clock, find nothing due and sleep.)  Marks of rolled-back
 * savepoints stay: a lane that is rung for nothing looks once and sleeps again.
 *
 * A prepared transaction is committed by another backend, which does not know
 * its lanes: it rings all of them.  Only a session that has loaded the library
 * does that; otherwise the workers find the events when they poll.
 */
#include "postgres.h"

#include "access/xact.h"
#include "nodes/parsenodes.h"
#include "tcop/utility.h"
#include "utils/resowner.h"

#include "capture/capture.h"
#include "capture/internal.h"
#include "core/lane.h"

#define ALL_LANES ((uint32) (((uint64) 1 << JO_LANES) - 1))

JoLaneRing	jo_lane_ring = NULL;

static uint32 marked_lanes = 0;
static uint32 committed_lanes = 0;
static bool is_registered = false;
static ProcessUtility_hook_type next_utility_hook = NULL;

/* The transaction is over: keep its lanes only if it committed. */
static void
settle_marks(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			committed_lanes = marked_lanes;
			marked_lanes = 0;
			break;
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:
			marked_lanes = 0;
			break;
		default:
			break;
	}
}

/* Locks are released, which comes after the invalidation messages: ring. */
static void
ring_committed_lanes(ResourceReleasePhase phase, bool is_commit,
					 bool is_top_level, void *arg)
{
	uint32		lanes = committed_lanes;

	if (lanes == 0 || phase != RESOURCE_RELEASE_AFTER_LOCKS || !is_top_level)
		return;
	committed_lanes = 0;
	if (jo_lane_ring != NULL)
		jo_lane_ring(lanes);
}

void
jo_lane_mark(uint32 lanes)
{
	if (!is_registered)
	{
		RegisterXactCallback(settle_marks, NULL);
		RegisterResourceReleaseCallback(ring_committed_lanes, NULL);
		is_registered = true;
	}
	marked_lanes |= lanes;
}

/* Ring every lane after a COMMIT PREPARED. */
static void
ring_after_commit_prepared(PlannedStmt *statement, const char *query,
						   bool read_only_tree, ProcessUtilityContext context,
						   ParamListInfo params, QueryEnvironment *environment,
						   DestReceiver *receiver, QueryCompletion *completion)
{
	Node	   *node = statement->utilityStmt;
	bool		is_commit_prepared = IsA(node, TransactionStmt) &&
	((TransactionStmt *) node)->kind == TRANS_STMT_COMMIT_PREPARED;

	if (next_utility_hook != NULL)
		next_utility_hook(statement, query, read_only_tree, context, params,
						  environment, receiver, completion);
	else
		standard_ProcessUtility(statement, query, read_only_tree, context,
								params, environment, receiver, completion);

	if (is_commit_prepared && jo_lane_ring != NULL)
		jo_lane_ring(ALL_LANES);
}

void
jo_ring_init(void)
{
	next_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = ring_after_commit_prepared;
}
