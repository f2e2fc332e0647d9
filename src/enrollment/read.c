/*
 * enrollment/read.c
 *	  Reads what a batch needs, in a few passes.
 *
 * Events of the lane's window, hints that are due, then for every customer
 * that one of them names: live runs, memory, messages and the bound row.
 * Customers are looked up in the order of their ids, so that neighbours share
 * index and heap pages.
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "core/leaf.h"
#include "core/live.h"
#include "enrollment/careful.h"
#include "enrollment/erase.h"
#include "enrollment/life.h"
#include "enrollment/message.h"
#include "enrollment/read.h"
#include "enrollment/rows.h"
#include "enrollment/timer.h"

/*
 * Read the next events and give each to its customer.  An instant below the
 * lane's own clock is lifted to it: instants are monotone along the ticket.
 * When the window was cut, no timer may overtake an event that is still to be
 * read, whose instant is the lane's clock at least: timers stop before it, and
 * acts after the last that was read.
 */
static void
read_events(JoBatch *batch)
{
	JoEvent    *events;
	JoWindowEnd end;

	batch->nevents = jo_event_window_read(&batch->cursor, batch->snapshot,
										  batch->limit, batch->until, &events,
										  &end);
	for (int i = 0; i < batch->nevents; i++)
	{
		JoEvent    *event = &events[i];

		event->instant = Max(event->instant, batch->cursor.clock);
		batch->cursor.clock = event->instant;
		if (jo_event_is_announcement(event))
			batch->is_announced = true;
		if (jo_streq(event->name, JO_COMMAND_FAN_OUT))
			batch->has_fan_outs = true;
		jo_pass_add_request(batch, event);
		if (!jo_erase_drops(batch, event))
			jo_batch_add_event(batch, event);
	}
	batch->timer_limit = Min(batch->until, batch->clock.now);
	if (end == JO_WINDOW_CUT)
	{
		batch->more = true;
		batch->timer_limit = Min(batch->timer_limit,
								 Max(batch->cursor.clock, DT_NOBEGIN + 1) - 1);
		batch->act_limit = batch->nevents > 0 ?
			events[batch->nevents - 1].seq : 0;
	}
}

static int
compare_members(const ListCell *a, const ListCell *b)
{
	const JoMember *left = lfirst(a);
	const JoMember *right = lfirst(b);

	return strcmp(left->customer_id, right->customer_id);
}

/*
 * A graph to stand in for one that is gone: with its error, which parks its
 * runs, and no steps.
 */
static JoGraph *
make_missing_graph(const JoRun *run, char *message)
{
	JoGraph    *graph = palloc0(sizeof(JoGraph));
	JoError    *error = palloc0(sizeof(JoError));

	strlcpy(error->sqlstate, unpack_sql_state(ERRCODE_UNDEFINED_OBJECT),
			sizeof(error->sqlstate));
	error->message = message;
	graph->journey_id = run->journey_id;
	graph->version = run->version;
	graph->error = error;
	return graph;
}

/*
 * Find the graph of a stored run and the step that it stands at.  Somebody may
 * have deleted what publish() wrote; that concerns the run and not its lane.
 */
static void
bind_run(JoRun *run)
{
	jo_run_bind_acts(run);
	run->graph = jo_graph(run->journey_id, run->version);
	if (run->graph == NULL)
	{
		run->graph = make_missing_graph(run,
										psprintf("version %d of the journey does not exist any more",
												 run->version));
		return;
	}
	for (int i = 0; i < run->graph->nsteps; i++)
		if (jo_streq(run->graph->steps[i].name, run->step_name))
		{
			run->step = i;
			return;
		}
	if (run->graph->error == NULL)
		run->graph = make_missing_graph(run,
										psprintf("journey \"%s\" version %d has no step \"%s\"",
												 run->graph->name, run->version,
												 run->step_name));
}

static void
read_runs(JoBatch *batch, List *members)
{
	JoLive	   *live = jo_live_open(jo_leaf_oid(JO_ENROLLMENT, batch->lane, 0),
									AccessShareLock);
	ListCell   *cell;

	foreach(cell, members)
	{
		JoMember   *member = lfirst(cell);
		TupleTableSlot *slot;

		CHECK_FOR_INTERRUPTS();
		jo_live_find(live, batch->snapshot, member->customer_id);
		while ((slot = jo_live_next(live)) != NULL)
			jo_member_add_run(member, jo_run_from_row(member, slot));
		if (batch->sink->overlay_runs != NULL)
			batch->sink->overlay_runs(batch, member);
		for (int i = 0; i < list_length(member->runs); i++)
		{
			JoRun	   *run = list_nth(member->runs, i);

			bind_run(run);
			member->now = Max(member->now, Min(run->arrived_at,
											   batch->clock.now));
		}
		jo_member_sort_runs(member);
	}
	jo_live_close(live);
}

static void
read_memories(JoBatch *batch, List *members)
{
	JoLive	   *live = jo_live_open(jo_leaf_oid(JO_ENTRY_MEMORY, batch->lane,
												0), AccessShareLock);
	ListCell   *cell;

	foreach(cell, members)
	{
		JoMember   *member = lfirst(cell);
		TupleTableSlot *slot;

		jo_live_find(live, batch->snapshot, member->customer_id);
		CHECK_FOR_INTERRUPTS();
		while ((slot = jo_live_next(live)) != NULL)
		{
			JoMemory   *memory = jo_memory_from_row(slot);

			/* only a trial writes a second row for the same key */
			if (batch->sink->overlay_runs != NULL)
				jo_memory_keep(member, memory);
			else
				member->memories = lappend(member->memories, memory);
		}
	}
	jo_live_close(live);
}

static void
read_messages(JoBatch *batch, List *members)
{
	JoLive	   *live = jo_live_open(jo_leaf_oid(JO_MESSAGE, batch->lane, 0),
									AccessShareLock);
	ListCell   *cell;

	foreach(cell, members)
	{
		JoMember   *member = lfirst(cell);
		TupleTableSlot *slot;

		jo_live_find(live, batch->snapshot, member->customer_id);
		while ((slot = jo_live_next(live)) != NULL)
		{
			JoMessage  *message = jo_message_from_row(member, slot);

			jo_message_resume(member, message);
			jo_member_add_message(member, message);
		}
	}
	jo_live_close(live);
}

/*
 * May an entry by a date be due for the member, or change?  One that is due
 * before an event of his has a timer row, so where all those were read nobody
 * else needs to be asked.
 */
static bool
needs_plans(const JoBatch *batch, const JoMember *member)
{
	ListCell   *cell;

	if (!batch->has_all_hints || member->has_hint)
		return true;
	foreach(cell, member->events)
	{
		const JoEvent *event = lfirst(cell);

		if (jo_streq(event->name, JO_COMMAND_PLAN))
			return true;
	}
	return false;
}

/* A trial writes another row for the same journey. */
static void
read_plans(JoBatch *batch, List *members)
{
	JoLive	   *live = jo_live_open(jo_leaf_oid(JO_PLANNED_ENTRY, batch->lane,
												0), AccessShareLock);
	ListCell   *cell;

	foreach(cell, members)
	{
		JoMember   *member = lfirst(cell);
		TupleTableSlot *slot;

		if (!needs_plans(batch, member))
			continue;
		jo_live_find(live, batch->snapshot, member->customer_id);
		while ((slot = jo_live_next(live)) != NULL)
			jo_plan_keep(member, jo_plan_from_row(slot));
	}
	jo_live_close(live);
}

/*
 * Read the customers' own rows.  A binding that cannot be read stops the lane
 * (and shows in health) rather than parking everybody.
 */
void
jo_batch_read_profiles(JoBatch *batch, List *members)
{
	int			n = list_length(members);
	JoCustomer *customers = palloc0(n * sizeof(JoCustomer));
	JoError    *error = NULL;

	for (int i = 0; i < n; i++)
		customers[i].customer_id =
			((JoMember *) list_nth(members, i))->customer_id;
	/* with what this transaction's calls have written */
	PushCopiedSnapshot(batch->snapshot);
	if (batch->has_called)
	{
		CommandCounterIncrement();
		UpdateActiveSnapshotCommandId();
	}
	jo_customer_load(customers, n, &error);
	PopActiveSnapshot();
	if (error != NULL)
	{
		jo_care_lane_is_at_fault = true;
		ereport(ERROR,
				(errcode(MAKE_SQLSTATE(error->sqlstate[0], error->sqlstate[1],
									   error->sqlstate[2], error->sqlstate[3],
									   error->sqlstate[4])),
				 errmsg("could not read the customers of lane %d: %s",
						batch->lane, error->message),
				 errhint("Repair the relation given to journey_orch.bind_customer() or its owner's rights; the lane goes on by itself.")));
	}
	for (int i = 0; i < n; i++)
		((JoMember *) list_nth(members, i))->profile = customers[i];
}

/* Read the live rows of the batch's customers. */
void
jo_batch_read_live(JoBatch *batch)
{
	list_sort(batch->members, compare_members);
	for (int i = 0; i < list_length(batch->members); i++)
		((JoMember *) list_nth(batch->members, i))->ordinal = i;
	read_runs(batch, batch->members);
	read_memories(batch, batch->members);
	read_messages(batch, batch->members);
	read_plans(batch, batch->members);
}

/* Read all that the batch's customers have. */
void
jo_batch_read_members(JoBatch *batch)
{
	if (batch->members == NIL)
		return;
	jo_batch_read_live(batch);
	jo_batch_read_profiles(batch, batch->members);
}

/* Read a batch's inputs: events, timers, and whom an act or a date concerns. */
void
jo_batch_read(JoBatch *batch)
{
	read_events(batch);
	jo_timer_read(batch);
	jo_reach_read(batch);
	jo_pass_read(batch);
}
