/*
 * enrollment/message_gate.c
 *	  What the gates say of messages: before they are enqueued, and what becomes
 *	  of those that claim() has stopped.
 *
 * A message whose run goes on at once is withheld and forgotten, but for its
 * row in table gate_decision and the event message.withheld; one whose run
 * stays at the send step takes it on: to the next channel, to "on_withheld", or
 * to "next".  A deferred message is kept, as it was rendered, until the instant
 * that the gate has named; then the gates are asked again.
 *
 * A message gets its id for good with its first attempt; until then that reads
 * as position 0 of the outbox (jo_message_id_of_visit()).
 */
#include "postgres.h"

#include "core/identity.h"
#include "enrollment/cause.h"
#include "enrollment/json.h"
#include "enrollment/kept.h"
#include "enrollment/message.h"

/* ---- asking ---- */

JoGates *
jo_message_gates_begin(JoBatch *batch)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->context);
	JoGates    *gates = jo_gates_begin(JO_GATE_AT_ENQUEUE, batch->clock.now,
									   batch->snapshot);

	MemoryContextSwitchTo(caller);
	return gates;
}

/*
 * May the message be enqueued now?  "attempt" says which, "journey" may be
 * NULL.  One that nobody will claim and nothing stops is counted.
 */
void
jo_message_ask(const JoBatch *batch, JoGates *gates, const JoMember *member,
			   const JoAttempt *attempt, const JoChannel *channel,
			   const char *address, const char *journey,
			   JoGateDecision *decision)
{
	JoGateQuestion question = {
		.message_id = &attempt->message_id,
		.customer_id = member->customer_id,
		.channel = channel->name,
		.channel_kind = channel->kind,
		.channel_consent = channel->consent,
		.address = address,
		.topic = attempt->topic,
		.journey = journey,
		.timezone = member->profile.timezone,
		.region = member->profile.region,
		.has_place = member->is_profile_loaded,
		.is_stream = jo_channel_hands_over(channel),
		.expires_at = attempt->expires_at
	};

	jo_gates_set_clock(gates, member->now);
	jo_gates_ask(gates, &question, decision);
	if (decision->answer == JO_GATE_ALLOW && question.is_stream &&
		batch->simulation == NULL)
		jo_gates_count(gates, &question);
	/* what is deferred to the past would be due again and again */
	if (decision->answer == JO_GATE_DEFER)
		decision->until = Max(decision->until, member->now + 1);
}

/* ---- keeping what was decided ---- */

/* {"gate", "rule", "reason"}, and "until" of a deferral. */
Jsonb *
jo_decision_of_gate(const JoGateDecision *decision)
{
	Jsonb	   *json = jo_json_put_string(NULL, "gate", decision->gate);

	json = jo_json_put_string(json, "rule", decision->rule);
	json = jo_json_put_string(json, "reason", decision->reason);
	if (decision->until != JO_NO_TIME)
		json = jo_json_put_time(json, "until", decision->until);
	return json;
}

static void
keep_record(JoBatch *batch, const JoMember *member, const JoAttempt *attempt,
			const JoGateDecision *decision)
{
	JoGateRecord *record = palloc0(sizeof(JoGateRecord));

	record->message_id = attempt->message_id;
	record->enrollment_id = attempt->enrollment_id;
	record->customer_id = member->customer_id;
	record->step = attempt->step;
	record->channel = attempt->channel;
	record->template = attempt->template;
	record->topic = attempt->topic;
	record->arm = attempt->arm;
	record->journey_id = attempt->journey_id;
	record->version = attempt->version;
	record->visit = attempt->visit;
	record->attempt = attempt->attempt;
	record->lane = batch->lane;
	record->stage = JO_GATE_AT_ENQUEUE;
	record->decided_at = member->now;
	record->decision = *decision;
	batch->decisions = lappend(batch->decisions, record);
}

/* Payload of message.withheld, as that of other message events. */
static Jsonb *
withheld_payload(const JoAttempt *attempt, const JoGateDecision *decision)
{
	Jsonb	   *json;

	json = jo_json_put_uuid(NULL, "message_id", &attempt->message_id);
	json = jo_json_put_uuid(json, "enrollment_id", &attempt->enrollment_id);
	json = jo_json_put_int(json, "journey_id", attempt->journey_id);
	json = jo_json_put_int(json, "version", attempt->version);
	json = jo_json_put_string(json, "step", attempt->step);
	json = jo_json_put_int(json, "visit", attempt->visit);
	json = jo_json_put_string(json, "channel", attempt->channel);
	json = jo_json_put_int(json, "attempt", attempt->attempt);
	json = jo_json_put_string(json, "template", attempt->template);
	json = jo_json_put_string(json, "topic", attempt->topic);
	json = jo_json_put_string(json, "gate", decision->gate);
	json = jo_json_put_string(json, "rule", decision->rule);
	return jo_json_put_string(json, "reason", decision->reason);
}

/* Note, and tell who listens, that a message is withheld. */
static void
keep_withheld(JoBatch *batch, JoMember *member, const JoRun *run,
			  const JoAttempt *attempt, const JoGateDecision *decision)
{
	keep_record(batch, member, attempt, decision);
	jo_cause_withheld(batch, member, run, attempt,
					  withheld_payload(attempt, decision));
}

/* ---- a run that is about to send ---- */

/*
 * Ask the gates about the message of a run on one channel.  What is withheld is
 * noted with the visit.  The decision lives as long as the batch.
 */
const JoGateDecision *
jo_run_ask_gates(JoBatch *batch, JoGates *gates, JoRun *run, int number,
				 const JoChannel *channel, const char *address)
{
	MemoryContext caller = MemoryContextSwitchTo(batch->context);
	JoGateDecision *decision = palloc(sizeof(JoGateDecision));
	JoWithheld *withheld;
	JoAttempt	attempt;

	jo_message_form(run, number, NULL, &attempt);
	jo_message_ask(batch, gates, run->member, &attempt, channel, address,
				   run->graph->name, decision);
	if (decision->answer == JO_GATE_WITHHOLD)
	{
		withheld = palloc(sizeof(JoWithheld));
		withheld->attempt = attempt;
		withheld->decision = decision;
		run->visit_state.withheld = lappend(run->visit_state.withheld,
											withheld);
	}
	MemoryContextSwitchTo(caller);
	return decision;
}

/*
 * Keep what was withheld in this visit, under the id of its message.
 */
void
jo_run_keep_withheld(JoBatch *batch, JoRun *run)
{
	ListCell   *cell;

	foreach(cell, run->visit_state.withheld)
	{
		JoWithheld *withheld = lfirst(cell);

		withheld->attempt.message_id = *jo_message_id_of_visit(batch, run);
		keep_withheld(batch, run->member, run, &withheld->attempt,
					  withheld->decision);
	}
	run->visit_state.withheld = NIL;
}

/* Keep the message of the visit until the gates may let it go. */
void
jo_message_defer(JoBatch *batch, JoRun *run, Jsonb *payload,
				 const JoGateDecision *decision)
{
	JoMessage  *message;
	JoAttempt	attempt;

	jo_message_form(run, run->visit_state.channel, payload, &attempt);
	attempt.message_id = *jo_message_id_of_visit(batch, run);
	keep_record(batch, run->member, &attempt, decision);
	attempt.attempt--;			/* it is made when it is due */
	message = jo_message_keep(run, &attempt);
	message->state = "deferred";
	message->error = pstrdup(decision->reason);
	message->due_at = decision->until;
	jo_due_add_message(run->member, message);
}

/* ---- a message that is due ---- */

/*
 * Do the gates stop a message whose next attempt is due?  Then it is deferred
 * again, or withheld.
 */
bool
jo_message_is_stopped(JoBatch *batch, JoMember *member, JoMessage *message)
{
	JoGates    *gates = jo_message_gates_begin(batch);
	const JoChannel *channel = jo_channel_find(message->attempt.channel);
	JoAttempt	attempt = message->attempt;
	JoGateDecision *decision;
	JoGraph    *graph;

	if (!jo_gates_are_active(gates) || channel == NULL ||
		jo_kept_is_remove(&attempt))
	{
		jo_gates_end(gates);
		return false;
	}
	attempt.attempt++;
	graph = jo_graph(attempt.journey_id, attempt.version);
	decision = palloc(sizeof(JoGateDecision));
	jo_message_ask(batch, gates, member, &attempt, channel,
				   jo_json_string(attempt.payload, "address"),
				   graph == NULL ? NULL : graph->name, decision);
	jo_gates_end(gates);
	if (decision->answer == JO_GATE_ALLOW)
		return false;
	if (decision->answer == JO_GATE_WITHHOLD)
	{
		keep_withheld(batch, member, message->run, &attempt, decision);
		jo_message_withhold(batch, member, message, decision, 0);
		if (decision->ends_run && message->run != NULL &&
			message->run->state != JO_ENROLLMENT_ENDED)
			jo_run_end(batch, message->run, "capped", true);
		return true;
	}
	/* again and again for days: the first time is enough */
	if (message->error == NULL || !jo_streq(message->error, decision->reason))
		keep_record(batch, member, &attempt, decision);
	message->state = "deferred";
	message->error = pstrdup(decision->reason);
	message->due_at = decision->until;
	message->is_changed = true;
	jo_due_add_message(member, message);
	return true;
}
