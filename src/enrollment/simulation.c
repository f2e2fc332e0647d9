/*
 * enrollment/simulation.c
 *	  The engine over customers and events that somebody hands in.
 *
 * One batch in memory, computed by the same code as a lane's; its sink
 * (sink_simulation.c) hands out what a lane would write.  No lane is locked, no
 * ticket drawn, no live row read, and no transaction id assigned
 * (test/pgtap/simulate.sql).
 *
 * Its clock is virtual, whatever the engine's is: every input happens at its
 * own instant, so nothing depends on when the simulation runs.  A timer lasts
 * to the end of the simulation at most.
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "core/lane.h"
#include "enrollment/simulation.h"

/* Tickets of what runs cause: behind all real ones, without asking for any. */
#define FIRST_CAUSED_TICKET (INT64CONST(1) << 62)

/*
 * What identifies an event that was handed in: never the ticket of a real one,
 * since it is negative, and never that of another customer.
 */
static int64
identity_of(const JoSubject *subject, int64 seq)
{
	const char *customer_id = subject->profile.customer_id;
	uint64		hash = jo_lane_hash(customer_id, strlen(customer_id));

	return (int64) (hash_combine64(hash, murmurhash32((uint32) seq)) |
					UINT64CONST(0x8000000000000000));
}

void
jo_subject_add_event(JoSubject *subject, JoEvent *event)
{
	if (subject->events != NIL)
	{
		const JoEvent *last = llast(subject->events);

		event->instant = Max(event->instant, last->instant);
	}
	event->identity = event->act_seq = event->seq;
	if (event->seq == 0)
	{
		event->seq = list_length(subject->events) + 1;
		event->identity = identity_of(subject, event->seq);
		event->act_seq = PG_INT64_MAX;
	}
	event->customer_id = unconstify(char *, subject->profile.customer_id);
	if (event->payload == NULL)
		event->payload = jo_jsonb_empty();
	subject->events = lappend(subject->events, event);
}

/* Before all his events a customer's dates are looked at, as by publish(). */
static List *
put_plan_first(TimestampTz since, JoMember *member, List *events)
{
	JoEvent    *event = palloc0(sizeof(JoEvent));

	event->kind = JO_EVENT_KIND_COMMAND;
	event->name = JO_COMMAND_PLAN;
	event->customer_id = member->customer_id;
	event->instant = since;
	event->act_seq = PG_INT64_MAX;
	event->payload = jo_jsonb_empty();
	return lcons(event, list_copy(events));
}

static void
add_members(JoBatch *batch)
{
	TimestampTz since = batch->simulation->since;
	bool		has_dates = !TIMESTAMP_NOT_FINITE(since) &&
	jo_graphs_entered_by_date(PG_INT64_MAX) != NIL;
	ListCell   *cell;

	foreach(cell, batch->simulation->subjects)
	{
		JoSubject  *subject = lfirst(cell);
		JoMember   *member = jo_batch_member(batch,
											 subject->profile.customer_id);

		member->profile = subject->profile;
		member->events = has_dates ?
			put_plan_first(since, member, subject->events) : subject->events;
		member->ordinal = foreach_current_index(cell);
	}
}

/*
 * Compute until nothing is due any more; a round of many timers is cut where a
 * lane would begin its next batch.
 */
static void
compute(JoBatch *batch)
{
	ListCell   *cell;

	add_members(batch);
	do
	{
		batch->more = false;
		foreach(cell, batch->members)
			((JoMember *) lfirst(cell))->rounds = 0;
		jo_batch_compute(batch);
	} while (batch->more);
}

void
jo_simulation_run(JoSimulation *simulation, List *subjects)
{
	MemoryContext caller = CurrentMemoryContext;
	JoBatch		batch;

	jo_batch_begin(&batch, 0, list_length(subjects), simulation->until);
	batch.sink = &jo_sink_simulation;
	batch.simulation = simulation;
	batch.clock.now = simulation->until;
	batch.clock.is_virtual = true;
	batch.timer_limit = simulation->until;
	batch.next_ticket = FIRST_CAUSED_TICKET;
	batch.tickets_left = PG_INT32_MAX;
	MemoryContextSwitchTo(batch.context);
	simulation->subjects = subjects;
	jo_batch_with_caches(&batch, compute);
	MemoryContextSwitchTo(caller);
	simulation->bytes = MemoryContextMemAllocated(batch.context, true);
	MemoryContextDelete(batch.context);
}
