/*
 * enrollment/round.c
 *	  The order of things: one input of each customer at a time.
 *
 * A customer's inputs are his events, in order of ticket, and the due times of
 * his runs and messages.  A due time before an event's instant comes first; at
 * the same instant the event does.  A round takes the next input of every
 * customer that has one, so customers move in lock-step and share waves, while
 * each customer's own order stays strict.  What runs cause by an input comes
 * right after it, before everything else (cause.c).
 *
 * A command goes to the run it is about (command.c), and to nobody else.  For
 * another event: the runs (goal, exit rules, then the step that waits for it,
 * or for the fate of its message) until they rest, then the entry rules against
 * the state that results.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "enrollment/careful.h"
#include "enrollment/cause.h"
#include "enrollment/json.h"
#include "enrollment/life.h"
#include "enrollment/message.h"

/* Instants of timers of one customer before the batch is cut. */
#define ROUNDS_PER_BATCH 200

static void
set_now(const JoBatch *batch, JoMember *member, TimestampTz instant)
{
	if (!batch->clock.is_virtual)
		instant = batch->clock.now;
	member->now = Max(member->now, instant);
}

/*
 * Choose the member's next input; false when it has none.  Under the virtual
 * clock the input's own instant is "now", so that many small steps of the clock
 * and one big one give the same result.  A member's clock never goes back.
 */
static bool
select_input(JoBatch *batch, JoMember *member)
{
	TimestampTz due;
	TimestampTz now;

	member->event = jo_cause_next(member);
	if (member->event != NULL)
	{
		member->act = NULL;
		member->due = JO_NO_TIME;
		return true;
	}
	due = jo_due_next(member);
	if (member->next_event < list_length(member->events))
		member->event = list_nth(member->events, member->next_event);
	member->act = jo_member_next_act(batch, member);
	if (member->act != NULL && member->event != NULL &&
		member->event->seq < member->act->seq)
		member->act = NULL;

	if (member->act != NULL)
	{
		TimestampTz instant = jo_act_instant(batch, member->act);

		if (due == JO_NO_TIME || due >= instant || due > batch->timer_limit)
		{
			member->event = NULL;
			member->newest_ticket = member->act->seq;
			member->due = JO_NO_TIME;
			set_now(batch, member, instant);
			return true;
		}
		member->act = NULL;
	}

	if (member->event != NULL &&
		(due == JO_NO_TIME || due >= member->event->instant ||
		 due > batch->timer_limit))
	{
		member->next_event++;
		member->newest_ticket = member->event->seq;
		member->due = JO_NO_TIME;
		now = member->event->instant;
	}
	else if (due != JO_NO_TIME && due <= batch->timer_limit)
	{
		/*
		 * A call of his has caused events that come before (call.c); not
		 * before an event that is waiting here, for its ticket is older.
		 */
		if (member->event == NULL && member->has_called &&
			batch->clock.is_virtual)
			return false;
		if (member->event == NULL && due != member->last_due)
			member->rounds++;
		member->last_due = due;
		if (member->event == NULL && member->rounds > ROUNDS_PER_BATCH)
		{
			batch->more = true;
			return false;
		}
		member->event = NULL;
		member->due = due;
		now = due;
	}
	else
		return false;
	set_now(batch, member, now);
	return true;
}

/*
 * Those of the members that have an input, each with its input chosen.  One
 * that has none is at rest for good: only his own inputs make new ones.
 */
static List *
select_inputs(JoBatch *batch, List *members)
{
	List	   *active = NIL;
	ListCell   *cell;

	foreach(cell, members)
	{
		JoMember   *member = lfirst(cell);

		if (select_input(batch, member))
			active = lappend(active, member);
	}
	return active;
}

/* Why nothing can be asked of the run now, or NULL. */
const JoError *
jo_run_error(const JoRun *run)
{
	return run->graph->error != NULL ? run->graph->error :
		run->member->profile.error;
}

/* Does a run have to end because its customer's row, which it had, is gone? */
bool
jo_customer_is_missed(const JoBatch *batch, const JoRun *run)
{
	return batch->has_binding && !run->member->profile.exists &&
		!run->graph->survives_customer && !run->was_absent;
}

/* Offer the input to one run, which is at rest; adds to "tasks". */
static List *
offer_to(JoBatch *batch, JoRun *run, List *tasks)
{
	JoMember   *member = run->member;
	const JoError *error = jo_run_error(run);

	if (run->state == JO_ENROLLMENT_ENDED &&
		(member->event == NULL || jo_customer_is_missed(batch, run)))
	{
		jo_run_close(run);
		return tasks;
	}
	if (batch->care != NULL && jo_care_parks(batch, run))
		return tasks;
	if (error != NULL)
	{
		if (run->state != JO_ENROLLMENT_PARKED &&
			run->state != JO_ENROLLMENT_ENDED)
			jo_run_park(batch, run, error, NULL);
		return tasks;
	}
	run->advances = 0;
	if (jo_customer_is_missed(batch, run))
	{
		run->event_id = member->event != NULL ? member->event->seq : 0;
		jo_run_end(batch, run, "customer_deleted", true);
		return tasks;
	}
	return lappend(tasks, jo_offer_task(batch, run));
}

/* What is due for a customer: messages go out, runs are offered the timer. */
static List *
offer_timer(JoBatch *batch, JoMember *member, List *tasks)
{
	List	   *runs;
	List	   *messages;
	ListCell   *cell;

	jo_due_take(member, &runs, &messages);
	foreach(cell, messages)
		jo_message_due(batch, member, lfirst(cell));
	foreach(cell, runs)
		tasks = offer_to(batch, lfirst(cell), tasks);
	list_free(runs);
	list_free(messages);
	return tasks;
}

/*
 * The answer of a step that awaits its message, and of the message itself:
 * last, as any step's is after goal and exit rules.
 */
static void
apply_reports(JoBatch *batch, List *members)
{
	ListCell   *cell;

	foreach(cell, members)
	{
		JoMember   *member = lfirst(cell);

		jo_care_blame(batch, NULL, NULL);
		if (member->event != NULL &&
			member->event->kind == JO_EVENT_KIND_MESSAGE)
			jo_message_report(batch, member, member->event);
	}
}

static void
offer_inputs(JoBatch *batch, List *members)
{
	List	   *tasks = NIL;
	ListCell   *member_cell;
	ListCell   *run_cell;

	jo_route_ask(batch, members);
	foreach(member_cell, members)
	{
		JoMember   *member = lfirst(member_cell);

		jo_care_blame(batch, NULL, NULL);
		if (member->act != NULL)
		{
			jo_member_meet_act(batch, member);
			continue;
		}
		if (member->event != NULL && jo_event_is_command(member->event))
		{
			jo_command_apply(batch, member);
			continue;
		}
		if (member->event == NULL)
		{
			tasks = offer_timer(batch, member, tasks);
			continue;
		}
		foreach(run_cell, jo_route_runs(batch, member))
			tasks = offer_to(batch, lfirst(run_cell), tasks);
	}
	jo_wave_run(batch, tasks);
	apply_reports(batch, members);
}

/* In the order of the customers, and of the runs of each. */
static int
compare_moving(const ListCell *a, const ListCell *b)
{
	const JoRun *left = lfirst(a);
	const JoRun *right = lfirst(b);

	if (left->member != right->member)
		return left->member->ordinal - right->member->ordinal;
	return left->ordinal - right->ordinal;
}

/* Tasks for the runs that move. */
static List *
advance_tasks(JoBatch *batch)
{
	List	   *tasks = NIL;
	ListCell   *cell;

	list_sort(batch->moving, compare_moving);
	foreach(cell, batch->moving)
	{
		JoRun	   *run = lfirst(cell);

		run->is_queued = false;
		if (run->state != JO_ENROLLMENT_MOVING)
			continue;
		if (run->pause != NULL && !run->is_restarted)
			jo_run_hold(batch, run);
		else
			tasks = lappend(tasks, jo_advance_task(batch, run));
	}
	list_free(batch->moving);
	batch->moving = NIL;
	return tasks;
}

/*
 * Advance every moving run until it is at rest.  A failure ends a task, but the
 * run goes on where its step says so.
 */
static void
advance_moving(JoBatch *batch)
{
	List	   *tasks;

	while ((tasks = advance_tasks(batch)) != NIL)
		jo_wave_run(batch, tasks);
}

/* Carry out a command that is not about a run that has it offered. */
static List *
obey(JoBatch *batch, JoMember *member, List *tasks)
{
	const JoGraph *graph;
	bool		is_decided;

	if (jo_streq(member->event->name, JO_COMMAND_RELEASE))
		jo_run_take_turn(member, member->event);
	if (!jo_streq(member->event->name, JO_COMMAND_EXISTING) &&
		!jo_streq(member->event->name, JO_COMMAND_DATE))
		return tasks;
	is_decided = jo_json_string(member->event->payload, "decided") != NULL;
	graph = jo_entry_existing(member);
	if (graph == NULL ||
		(batch->care != NULL && jo_care_refuses(batch, member, graph)))
		return tasks;
	return lappend(tasks, is_decided ?
				   jo_entry_decided_task(batch, member, graph) :
				   jo_entry_task(batch, member, graph));
}

static void
try_entries(JoBatch *batch, List *members)
{
	List	   *tasks = NIL;
	ListCell   *member_cell;
	ListCell   *graph_cell;

	foreach(member_cell, members)
	{
		JoMember   *member = lfirst(member_cell);
		List	   *graphs;

		if (member->event == NULL ||
			jo_streq(member->event->name, JO_COMMAND_PLAN))
		{
			tasks = jo_plan_tasks(batch, member, tasks);
			continue;
		}
		if (jo_event_is_command(member->event))
		{
			tasks = obey(batch, member, tasks);
			continue;
		}
		graphs = jo_graphs_entered_by(member->event);
		foreach(graph_cell, graphs)
		{
			JoGraph    *graph = lfirst(graph_cell);

			if (batch->care != NULL && jo_care_refuses(batch, member, graph))
				continue;
			if (graph->entry.kind == JO_ENTRY_FAN_OUT)
				jo_fan_out_begin(batch, member, graph);
			else
				tasks = lappend(tasks, jo_entry_task(batch, member, graph));
		}
	}
	jo_wave_run(batch, tasks);
}

/* Work through all inputs of the batch. */
void
jo_batch_compute(JoBatch *batch)
{
	List	   *members = list_copy(batch->members);

	batch->round = AllocSetContextCreate(batch->context, "journey_orch round",
										 ALLOCSET_DEFAULT_SIZES);
	for (;;)
	{
		List	   *active = select_inputs(batch, members);

		list_free(members);
		members = active;
		if (members == NIL)
			break;
		CHECK_FOR_INTERRUPTS();
		if (batch->care != NULL && jo_care_sets_aside(batch))
			continue;
		offer_inputs(batch, members);
		advance_moving(batch);
		try_entries(batch, members);
		advance_moving(batch);
		jo_cause_finish_round(batch, members);
		if (batch->sink->end_round != NULL)
			batch->sink->end_round(batch);
		MemoryContextReset(batch->round);
	}
	MemoryContextDelete(batch->round);
	batch->round = NULL;
}
