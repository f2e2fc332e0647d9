/*
 * enrollment/sink_simulation.c
 *	  The sink of simulate(): hands out what a lane would write.
 *
 * It takes the step log after each round, so that what has happened need not be
 * kept, and bounds a simulation by its rows and its memory.  An attempt becomes
 * a row of outcome "message"; there is no outbox, no claim, and no gate.  The
 * message of a run that awaits its fate counts as sent at once, unless an event
 * to come reports on it: then that report decides, as it did.  What a subject
 * does with messages becomes events of his, once there is such a message.
 */
#include "postgres.h"

#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "enrollment/cause.h"
#include "enrollment/json.h"
#include "enrollment/message.h"
#include "enrollment/simulation.h"
#include "journey/pretend.h"

/* The most memory that a batch of a simulation may take. */
#define SIMULATION_BYTES ((Size) 1024 * 1024 * 1024)

/* Does the event report on the attempt?  Takes its message_id then. */
static bool
reports_on(const JoEvent *event, JoAttempt *attempt)
{
	pg_uuid_t	enrollment_id;
	pg_uuid_t	message_id;

	if (event->kind != JO_EVENT_KIND_MESSAGE ||
		!(jo_streq(event->name, "message.sent") ||
		  jo_streq(event->name, "message.failed") ||
		  jo_streq(event->name, "message.expired")))
		return false;
	if (!jo_json_uuid(event->payload, "enrollment_id", &enrollment_id) ||
		!jo_json_uuid(event->payload, "message_id", &message_id) ||
		memcmp(&enrollment_id, &attempt->enrollment_id,
			   sizeof(pg_uuid_t)) != 0 ||
		jo_json_int(event->payload, "visit", 0) != attempt->visit ||
		jo_json_int(event->payload, "attempt", 0) != attempt->attempt)
		return false;
	attempt->message_id = message_id;
	return true;
}

/* Is the fate of the attempt among the member's events to come? */
static bool
find_report(const JoMember *member, JoAttempt *attempt)
{
	for (int i = member->next_event; i < list_length(member->events); i++)
		if (reports_on(list_nth(member->events, i), attempt))
			return true;
	return false;
}

/* What every report on the attempt says of it. */
static Jsonb *
make_report(const JoAttempt *attempt)
{
	Jsonb	   *report;

	report = jo_json_put_uuid(NULL, "message_id", &attempt->message_id);
	report = jo_json_put_uuid(report, "enrollment_id",
							  &attempt->enrollment_id);
	report = jo_json_put_int(report, "journey_id", attempt->journey_id);
	report = jo_json_put_int(report, "version", attempt->version);
	report = jo_json_put_string(report, "step", attempt->step);
	report = jo_json_put_int(report, "visit", attempt->visit);
	return jo_json_put_string(report, "channel", attempt->channel);
}

/* The relay that is not there has sent the message. */
static void
report_sent(JoBatch *batch, JoRun *run, const JoAttempt *attempt)
{
	Jsonb	   *report = make_report(attempt);

	report = jo_json_put_int(report, "attempt", attempt->attempt);
	report = jo_json_put_string(report, "template", attempt->template);
	jo_cause_report(batch, run, "message.sent", report);
}

/* Put the event among those to come, behind all of its instant. */
static void
insert_event(JoMember *member, JoEvent *event)
{
	int			place = list_length(member->events);

	while (place > member->next_event &&
		   ((JoEvent *) list_nth(member->events, place - 1))->instant >
		   event->instant)
		place--;
	member->events = list_insert_nth(member->events, place, event);
}

/* What the customer will do with the message. */
static void
react(JoBatch *batch, JoMember *member, const JoReaction *reaction,
	  const JoAttempt *attempt)
{
	JoEvent    *event = palloc0(sizeof(JoEvent));
	Jsonb	   *report = make_report(attempt);
	const char *status = reaction->name + strlen("message.");

	event->instant =
		DatumGetTimestamp(DirectFunctionCall2(timestamp_pl_interval,
											  TimestampGetDatum(member->now),
											  IntervalPGetDatum(reaction->after)));
	if (event->instant > batch->simulation->until)
		return;
	batch->tickets_left--;
	event->seq = event->identity = batch->next_ticket++;
	event->act_seq = PG_INT64_MAX;
	event->kind = JO_EVENT_KIND_MESSAGE;
	event->customer_id = member->customer_id;
	event->name = unconstify(char *, reaction->name);
	report = jo_json_put_string(report, "status", status);
	event->payload = jo_jsonb_put(report, "detail", reaction->detail != NULL ?
								  reaction->detail : jo_jsonb_empty());
	insert_event(member, event);
}

static void
add_reactions(JoBatch *batch, JoMember *member, const JoAttempt *attempt)
{
	const JoSubject *subject = list_nth(batch->simulation->subjects,
										member->ordinal);
	ListCell   *cell;

	foreach(cell, subject->reactions)
	{
		const JoReaction *reaction = lfirst(cell);

		if (jo_streq(reaction->step, attempt->step))
			react(batch, member, reaction, attempt);
	}
}

static void
take_attempt(JoBatch *batch, JoMember *member, JoRun *run, JoAttempt *attempt)
{
	JoLogRow   *row = palloc0(sizeof(JoLogRow));
	JoAttempt  *copy = palloc(sizeof(JoAttempt));

	if (attempt->is_awaited && !find_report(member, attempt) && run != NULL)
		report_sent(batch, run, attempt);
	add_reactions(batch, member, attempt);
	*copy = *attempt;
	row->run = run;
	row->customer_id = member->customer_id;
	row->key = run != NULL ? run->key : NULL;
	row->enrollment_id = attempt->enrollment_id;
	row->journey_id = attempt->journey_id;
	row->version = attempt->version;
	row->visit = attempt->visit;
	row->clock = member->now;
	row->arrived_at = JO_NO_TIME;
	row->due_at = JO_NO_TIME;
	row->entered_at = JO_NO_TIME;
	row->event_id = attempt->event_id;
	row->outcome = "message";
	row->from_step = attempt->step;
	row->attempt = copy;
	batch->log = lappend(batch->log, row);
}

/* Hand out one row. */
static void
give_row(JoBatch *batch, const JoGraph *graph, const JoLogRow *log)
{
	JoSimulation *simulation = batch->simulation;
	const JoMember *member = jo_batch_member(batch, log->customer_id);
	JoSimulatedRow row;

	if (++simulation->rows > simulation->max_rows)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("simulation has more than " INT64_FORMAT " rows",
						simulation->max_rows),
				 errdetail("It had come to customer \"%s\" at %s.",
						   log->customer_id, timestamptz_to_str(log->clock)),
				 errhint("Raise \"max_rows\", or simulate fewer customers or a shorter time.")));
	row.subject = member->ordinal;
	row.journey = graph->name;
	row.event = member->event != NULL ? member->event->name : NULL;
	row.log = log;
	simulation->receive(simulation->arg, &row);
}

static void
ensure_memory(const JoBatch *batch)
{
	if (MemoryContextMemAllocated(batch->context, true) > SIMULATION_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("simulation needs too much memory"),
				 errdetail("It may take %zu MB at once.",
						   SIMULATION_BYTES / (1024 * 1024)),
				 errhint("Simulate fewer customers or a shorter time.")));
}

/* What the gates have withheld or deferred is shown as the step log would show
 * it, under the gate's answer. */
static void
show_withheld(JoBatch *batch)
{
	ListCell   *cell;

	foreach(cell, batch->decisions)
	{
		const JoGateRecord *record = lfirst(cell);
		JoLogRow   *row = palloc0(sizeof(JoLogRow));

		row->customer_id = record->customer_id;
		row->enrollment_id = record->enrollment_id;
		row->journey_id = record->journey_id;
		row->version = record->version;
		row->visit = record->visit;
		row->clock = record->decided_at;
		row->arrived_at = JO_NO_TIME;
		row->entered_at = JO_NO_TIME;
		row->due_at = record->decision.until;
		row->outcome = record->decision.answer == JO_GATE_DEFER ?
			"deferred" : "withheld";
		row->from_step = record->step;
		row->reason = record->decision.reason;
		row->decision = jo_decision_of_gate(&record->decision);
		batch->log = lappend(batch->log, row);
	}
	list_free_deep(batch->decisions);
	batch->decisions = NIL;
}

/*
 * Hand out what the round has logged.  A refusal may be by a journey that is
 * not simulated, of which a command in the log spoke: it is passed over.
 */
static void
end_round(JoBatch *batch)
{
	ListCell   *cell;

	show_withheld(batch);
	foreach(cell, batch->log)
	{
		JoLogRow   *row = lfirst(cell);
		const JoGraph *graph = jo_pretended_graph(row->journey_id);

		if (graph != NULL)
			give_row(batch, graph, row);
		if (row->run != NULL)
			unconstify(JoRun *, row->run)->last_log = NULL;
		pfree(row);
	}
	list_free(batch->log);
	list_free(batch->caused);
	list_free_deep(batch->withdrawals);
	list_free_deep(batch->outcomes);
	list_free_deep(batch->askings);
	batch->log = batch->caused = batch->withdrawals = NIL;
	batch->outcomes = batch->askings = NIL;
	ensure_memory(batch);
}

/* Everything was handed out already. */
static void
write_batch(JoBatch *batch)
{
}

const JoSink jo_sink_simulation = {
	.name = "simulation",
	.calls = false,
	.write = write_batch,
	.take_attempt = take_attempt,
	.end_round = end_round
};
