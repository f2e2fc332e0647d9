/*
 * enrollment/message.c
 *	  Messages of runs: enqueued, retried after a failure, settled.
 *
 * Deferral and retry belong to the message, not to the run, and outlive it.  A
 * message that goes out at once has no row here, only its outbox row.  It gets
 * one when its run awaits the outcome, or when an attempt fails and another is
 * due later.  Reports come as events, so the lane's order decides.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "core/identity.h"
#include "core/lane.h"
#include "enrollment/dead_letter.h"
#include "enrollment/json.h"
#include "enrollment/kept.h"
#include "enrollment/message.h"
#include "journey/acts.h"

/* The longest back-off that a relay may ask for. */
#define BACKOFF_MAX ((int64) 24 * USECS_PER_HOUR)

/* The message of the run's present visit, if it has a row. */
static JoMessage *
find_message_of_visit(const JoRun *run)
{
	ListCell   *cell;

	foreach(cell, run->messages)
	{
		JoMessage  *message = lfirst(cell);

		if (!message->is_settled && message->attempt.visit == run->visit)
			return message;
	}
	return NULL;
}

/* Hand one attempt to the outbox; "run" may be NULL: it has ended. */
void
jo_message_append(JoBatch *batch, JoMember *member, JoRun *run,
				  JoAttempt *attempt)
{
	JoAttempt  *copy;

	if (batch->sink->take_attempt != NULL)
	{
		batch->sink->take_attempt(batch, member, run, attempt);
		return;
	}
	copy = palloc(sizeof(JoAttempt));
	*copy = *attempt;
	copy->position = jo_outbox_position(attempt->priority,
										batch->cursor.next_outbox++);
	batch->attempts = lappend(batch->attempts, copy);
}

/* An interval of a channel, in microseconds: a month has 30 days. */
static int64
span_of(const Interval *interval)
{
	return ((int64) interval->month * DAYS_PER_MONTH + interval->day) *
		USECS_PER_DAY + interval->time;
}

/* When a message expires whose step does not say: its channel may. */
static TimestampTz
default_expiry(const char *name, TimestampTz now)
{
	JoChannel  *channel = jo_channel_find(name);

	if (channel == NULL || channel->expires_after == NULL)
		return JO_NO_TIME;
	return now + span_of(channel->expires_after);
}

/*
 * Form the message of the run's visit as its next attempt on one of the step's
 * channels.  The id is the same for all channels and attempts of the visit; of
 * a message without a row it has no place yet.
 */
void
jo_message_form(const JoRun *run, int channel, Jsonb *payload,
				JoAttempt *attempt)
{
	const JoVisit *visit = &run->visit_state;
	const JoStep *step = visit->step;
	const JoMessage *message = find_message_of_visit(run);

	memset(attempt, 0, sizeof(*attempt));
	if (message != NULL)
		attempt->message_id = message->attempt.message_id;
	else
		jo_message_id(&attempt->message_id, &run->id, run->visit);
	attempt->enrollment_id = run->id;
	attempt->channel = step->u.send.channels[channel];
	attempt->customer_id = run->member->customer_id;
	attempt->template = step->u.send.template;
	attempt->step = step->name;
	attempt->topic = step->u.send.topic;
	attempt->payload = payload;
	attempt->event_id = run->event_id;
	attempt->enqueued_at = run->member->now;
	attempt->expires_at = JO_NO_TIME;
	if (message != NULL)
		attempt->expires_at = message->attempt.expires_at;
	else if (step->u.send.has_expiry)
		attempt->expires_at = jo_duration_add(run->member->now,
											  &step->u.send.expires_after,
											  visit->timezone);
	else
		attempt->expires_at = default_expiry(attempt->channel,
											 run->member->now);
	attempt->journey_id = run->journey_id;
	attempt->version = run->version;
	attempt->visit = run->visit;
	attempt->attempt = message != NULL ? message->attempt.attempt + 1 : 1;
	attempt->priority = step->u.send.priority;
	attempt->is_awaited = visit->awaits ||
		jo_kept_is_audience(attempt->channel);
}

/*
 * The id of the message of the run's visit.  One that was not enqueued has no
 * place in the outbox, so its id reads as position 0; it gets the id that it
 * keeps with its first attempt.
 */
const pg_uuid_t *
jo_message_id_of_visit(JoBatch *batch, JoRun *run)
{
	JoVisit    *visit = &run->visit_state;
	const JoMessage *message = find_message_of_visit(run);

	if (visit->has_message_id)
		return &visit->message_id;
	visit->has_message_id = true;
	if (message != NULL)
		visit->message_id = message->attempt.message_id;
	else
	{
		jo_message_id(&visit->message_id, &run->id, run->visit);
		jo_message_id_place(&visit->message_id, batch->lane, 0);
	}
	return &visit->message_id;
}

/* Keep a row of the message of the run's visit, as this attempt of it. */
JoMessage *
jo_message_keep(JoRun *run, const JoAttempt *attempt)
{
	JoMessage  *message = find_message_of_visit(run);

	if (message == NULL)
	{
		message = palloc0(sizeof(JoMessage));
		message->attempt = *attempt;
		jo_member_add_message(run->member, message);
	}
	else if (message->attempt.attempt == 0)
		jo_member_forget_index(run->member);
	message->attempt = *attempt;
	message->due_at = JO_NO_TIME;
	message->is_awaited = attempt->is_awaited;
	message->state = "enqueued";
	message->error = NULL;
	message->is_changed = true;
	run->has_messages = true;
	run->is_changed = true;
	return message;
}

/* Enqueue what was composed for the run's visit. */
void
jo_message_enqueue(JoBatch *batch, JoRun *run, Jsonb *payload)
{
	JoVisit    *visit = &run->visit_state;
	JoAttempt	attempt;

	jo_message_form(run, visit->channel, payload, &attempt);
	if (attempt.attempt == 1)
		jo_message_id_place(&attempt.message_id, batch->lane,
							jo_outbox_position(attempt.priority,
											   batch->cursor.next_outbox));
	jo_message_append(batch, run->member, run, &attempt);
	visit->message_id = attempt.message_id;
	visit->has_message_id = true;
	run->has_messages = true;
	run->is_changed = true;
	if (visit->awaits || jo_kept_channel(attempt.channel))
		(void) jo_kept_out(run->member, jo_message_keep(run, &attempt));
}

/* The run that stands at its send step for this message, or NULL. */
static JoRun *
find_waiting_run(const JoMessage *message)
{
	JoRun	   *run = message->run;

	if (run != NULL && run->state == JO_ENROLLMENT_SENDING &&
		run->visit == message->attempt.visit)
		return run;
	return NULL;
}

/*
 * The report moves the run on.  "event" stays what brought it to the send, as
 * for a send that waits for nothing: the next channel's message is about the
 * same, and so are the steps behind.
 */
static void
take_report(JoRun *run, const JoEvent *event)
{
	run->event_id = event->seq;
	run->advances = 0;
}

/*
 * What the run's send step has waited for has come: go on to "next".  "reason"
 * is for the step log, "detail" for the step's output.
 */
static void
leave_step(JoBatch *batch, JoRun *run, int next, const char *reason,
		   const char *channel, const char *detail)
{
	JoVisit    *visit = &run->visit_state;

	memset(visit, 0, sizeof(JoVisit));
	visit->step = &run->graph->steps[run->step];
	visit->next = next;
	visit->reason = reason;
	jo_step_send_put(visit, reason, channel, detail);
	jo_run_leave(batch, run);
}

static void
settle_sent(JoBatch *batch, JoMessage *message, const JoEvent *event)
{
	JoRun	   *run = find_waiting_run(message);

	message->is_settled = !jo_kept_sent(message);
	message->is_changed = true;
	if (run == NULL || run->graph->error != NULL)
		return;
	take_report(run, event);
	leave_step(batch, run, run->graph->steps[run->step].next, "sent",
			   message->attempt.channel, NULL);
}

/* Index of the message's channel in the step that sent it. */
static int
channel_index(const JoStep *step, const char *channel)
{
	for (int i = 0; i < step->u.send.nchannels; i++)
		if (jo_streq(step->u.send.channels[i], channel))
			return i;
	return step->u.send.nchannels;
}

/*
 * Let the run's visit go on behind the channel on which its message has failed
 * or was withheld; when the message has expired, behind all of them.
 */
static void
leave_channel(JoRun *run, const JoMessage *message, JoComposed composed)
{
	const JoStep *step = &run->graph->steps[run->step];
	TimestampTz expires_at = message->attempt.expires_at;

	jo_step_send_again(&run->visit_state,
					   expires_at != JO_NO_TIME &&
					   expires_at <= run->member->now ?
					   step->u.send.nchannels :
					   channel_index(step, message->attempt.channel),
					   composed);
}

/*
 * The message has failed for good on its channel: its run, if it waits, tries
 * the next channel; else the message is a dead letter, and the run goes on.
 * Only before another channel a pause holds it at the send.
 */
static void
give_up(JoBatch *batch, JoMessage *message, const JoEvent *event)
{
	JoRun	   *run = find_waiting_run(message);
	const JoStep *step;

	message->due_at = JO_NO_TIME;
	message->state = "dead";
	message->is_changed = true;
	if (run == NULL || run->graph->error != NULL)
		return;
	step = &run->graph->steps[run->step];
	take_report(run, event);
	memset(&run->visit_state, 0, sizeof(JoVisit));
	leave_channel(run, message, JO_COMPOSED_FAILED);
	if (jo_step_send_goes_on(step, run->visit_state.index, JO_FALLBACK_FAILED))
		jo_run_set_moving(batch, run);
	else
		leave_step(batch, run, step->on_failure != JO_NO_STEP ?
				   step->on_failure : step->next, "failed",
				   message->attempt.channel, message->error);
}

/*
 * A gate has withheld the message: its run, if it waits, tries the next channel
 * or goes on; nothing remains of the message.
 */
void
jo_message_withhold(JoBatch *batch, JoMember *member, JoMessage *message,
					const JoGateDecision *decision, int64 event_id)
{
	JoRun	   *run = find_waiting_run(message);
	const JoStep *step;

	jo_kept_withhold(batch, member, message);
	message->due_at = JO_NO_TIME;
	message->state = "withheld";
	message->error = pstrdup(decision->reason);
	message->is_changed = true;
	if (run == NULL || run->graph->error != NULL)
	{
		message->is_settled = true;
		return;
	}
	step = &run->graph->steps[run->step];
	run->event_id = event_id;
	run->advances = 0;
	memset(&run->visit_state, 0, sizeof(JoVisit));
	leave_channel(run, message, JO_COMPOSED_WITHHELD);
	run->visit_state.decision = decision;
	if (!decision->ends_run &&
		jo_step_send_goes_on(step, run->visit_state.index,
							 jo_step_send_fallback(decision)))
	{
		jo_run_set_moving(batch, run);
		return;
	}
	message->is_settled = true;
	if (decision->ends_run)
		jo_run_end(batch, run, "capped", true);
	else
		leave_step(batch, run, step->u.send.on_withheld != JO_NO_STEP ?
				   step->u.send.on_withheld : step->next, "withheld",
				   message->attempt.channel, decision->reason);
	run->last_log->decision = jo_jsonb_put(run->last_log->decision, "withheld",
										   jo_decision_of_gate(decision));
}

/* The run leaves its send step: nothing remains of a message that was withheld
 * on one channel, and not enqueued on another. */
void
jo_message_leave_visit(JoRun *run)
{
	ListCell   *cell;

	foreach(cell, run->messages)
	{
		JoMessage  *message = lfirst(cell);

		if (!message->is_settled && jo_streq(message->state, "withheld"))
			message->is_settled = message->is_changed = true;
	}
}

/* The visit is to begin anew: not with channels on which it has failed. */
void
jo_message_visit_again(JoRun *run)
{
	const JoStep *step = &run->graph->steps[run->step];
	const JoMessage *message = find_message_of_visit(run);

	if (message == NULL || step->verb != JO_SEND)
		return;
	if (jo_streq(message->state, "dead"))
		leave_channel(run, message, JO_COMPOSED_FAILED);
	else if (jo_streq(message->state, "withheld"))
		leave_channel(run, message, JO_COMPOSED_WITHHELD);
}

/*
 * When the next attempt is due: what the relay asked for, else the channel's
 * first back-off doubled per failure, up to its longest, and spread by up to a
 * tenth by a hash of the message (a batch draws no random numbers).
 */
static TimestampTz
retry_due(const JoMessage *message, const JoChannel *channel, TimestampTz now,
		  int64 retry_after_seconds)
{
	int64		longest = span_of(channel->retry_max);
	int64		delay;
	uint64		hash;

	if (retry_after_seconds >= 0)
		return now + Min(retry_after_seconds, BACKOFF_MAX / USECS_PER_SEC) *
			USECS_PER_SEC;
	delay = span_of(channel->retry_after);
	for (int i = 1; i < message->attempt.failures && delay < longest; i++)
		delay *= 2;
	delay = Max(Min(delay, longest), 1);
	hash = jo_lane_hash((const char *) &message->attempt.message_id,
						sizeof(pg_uuid_t));
	return now + delay + (int64) (hash % (uint64) (delay / 10 + 1));
}

/* A message that had no row until an attempt of it failed. */
static JoMessage *
message_from_report(JoMember *member, const JoEvent *event,
					const pg_uuid_t *message_id)
{
	Jsonb	   *report = event->payload;
	JoMessage  *message = palloc0(sizeof(JoMessage));
	JoAttempt  *attempt = &message->attempt;

	attempt->message_id = *message_id;
	if (!jo_json_uuid(report, "enrollment_id", &attempt->enrollment_id))
		return NULL;
	attempt->customer_id = member->customer_id;
	attempt->channel = jo_json_string(report, "channel");
	attempt->template = jo_json_string(report, "template");
	attempt->step = jo_json_string(report, "step");
	attempt->topic = jo_json_string(report, "topic");
	attempt->arm = jo_json_string(report, "arm");
	attempt->payload = jo_json_object(report, "payload");
	attempt->event_id = jo_json_int(report, "event_id", 0);
	attempt->enqueued_at = event->instant;
	attempt->expires_at = jo_json_timestamp(report, "expires_at");
	attempt->journey_id = jo_json_int(report, "journey_id", 0);
	attempt->version = jo_json_int(report, "version", 0);
	attempt->visit = jo_json_int(report, "visit", 0);
	attempt->attempt = jo_json_int(report, "attempt", 1);
	attempt->priority = jo_json_int(report, "priority", 5);
	attempt->failures = jo_json_int(report, "failures", 0);
	if (attempt->channel == NULL || attempt->template == NULL ||
		attempt->step == NULL || attempt->payload == NULL)
		return NULL;
	message->due_at = JO_NO_TIME;
	message->is_changed = true;
	jo_member_add_message(member, message);
	return message;
}

/* Was the run of this message ended by a goal or an exit rule meanwhile? */
bool
jo_message_is_withdrawn(const JoBatch *batch, const JoMessage *message)
{
	const JoRun *run = message->run;

	if (jo_kept_is_remove(&message->attempt))
		return false;
	if (run != NULL && run->is_withdrawn)
		return true;
	if ((run != NULL && run->state != JO_ENROLLMENT_ENDED) ||
		batch->simulation != NULL)
		return false;
	return jo_withdrawal_exists(batch->lane, &message->attempt.enrollment_id,
								batch->snapshot);
}

static void
report_failed(JoBatch *batch, JoMember *member, const JoEvent *event,
			  const pg_uuid_t *message_id)
{
	Jsonb	   *report = event->payload;
	JoMessage  *message = jo_member_message(member, message_id);
	JoChannel  *channel;

	if (message == NULL)
		message = message_from_report(member, event, message_id);
	if (message == NULL ||
		jo_json_int(report, "attempt", 0) != message->attempt.attempt)
		return;					/* a late report on an earlier attempt */
	if (jo_message_is_withdrawn(batch, message))
	{
		message->is_settled = true;
		message->is_changed = true;
		return;
	}
	message->error = jo_json_string(report, "error");
	message->is_changed = true;
	message->attempt.failures++;
	channel = jo_channel_find(message->attempt.channel);
	if (channel == NULL || jo_json_bool(report, "permanent") ||
		message->attempt.failures >= channel->max_attempts)
	{
		give_up(batch, message, event);
		return;
	}
	message->state = "deferred";
	message->due_at = retry_due(message, channel, member->now,
								jo_json_int(report, "retry_after", -1));
	jo_due_add_message(member, message);
}

/* Nobody took the message before it expired: its channel has failed for good. */
static void
report_expired(JoBatch *batch, JoMember *member, const JoEvent *event,
			   const pg_uuid_t *message_id)
{
	JoMessage  *message = jo_member_message(member, message_id);

	if (message == NULL || message->due_at != JO_NO_TIME ||
		jo_json_int(event->payload, "attempt", 0) != message->attempt.attempt)
		return;
	message->error = "expired";
	give_up(batch, message, event);
}

/*
 * claim() has given the message back.  If a gate says until when, it is due
 * then; else its journey is paused: keep it until that is resumed, as it may
 * have been before this event.
 */
static void
report_deferred(JoBatch *batch, JoMember *member, const JoEvent *event,
				const pg_uuid_t *message_id)
{
	JoMessage  *message = jo_member_message(member, message_id);

	if (message == NULL)
		message = message_from_report(member, event, message_id);
	if (message == NULL || jo_json_int(event->payload, "attempt", 0) !=
		message->attempt.attempt)
		return;
	message->is_changed = true;
	if (jo_message_is_withdrawn(batch, message))
	{
		message->is_settled = true;
		return;
	}
	message->state = "deferred";
	message->error = jo_json_string(event->payload, "error");
	message->due_at = jo_json_timestamp(event->payload, "until");
	if (message->due_at == JO_NO_TIME)
		jo_message_resume(member, message);
	else
		jo_due_add_message(member, message);
}

/*
 * claim() has withheld the message.  One without a row is over; whatever it is,
 * its rule may end the run.
 */
static void
report_withheld(JoBatch *batch, JoMember *member, const JoEvent *event,
				const pg_uuid_t *message_id)
{
	Jsonb	   *report = event->payload;
	JoMessage  *message = jo_member_message(member, message_id);
	JoGateDecision *decision = palloc0(sizeof(JoGateDecision));
	pg_uuid_t	enrollment_id;
	JoRun	   *run = NULL;

	decision->answer = JO_GATE_WITHHOLD;
	decision->gate = jo_json_string(report, "gate");
	decision->rule = jo_json_string(report, "rule");
	decision->reason = jo_json_string(report, "reason");
	decision->until = JO_NO_TIME;
	decision->ends_run = jo_json_bool(report, "ends_run");
	if (decision->gate == NULL || decision->reason == NULL)
		return;
	if (message != NULL && jo_json_int(report, "attempt", 0) ==
		message->attempt.attempt)
	{
		if (jo_message_is_withdrawn(batch, message))
			message->is_settled = message->is_changed = true;
		else
			jo_message_withhold(batch, member, message, decision,
								event->seq);
	}
	if (decision->ends_run &&
		jo_json_uuid(report, "enrollment_id", &enrollment_id))
		run = jo_member_run(member, &enrollment_id);
	if (run == NULL || run->state == JO_ENROLLMENT_ENDED)
		return;
	run->event_id = event->seq;
	jo_run_end(batch, run, "capped", true);
	run->last_log->decision = jo_jsonb_put(NULL, "withheld",
										   jo_decision_of_gate(decision));
}

/*
 * A message that was deferred because its journey was paused is due at once
 * when it is not any more.
 */
void
jo_message_resume(JoMember *member, JoMessage *message)
{
	const JoAct *act;

	if (message->is_settled || message->due_at != JO_NO_TIME ||
		!jo_streq(message->state, "deferred"))
		return;
	act = jo_act_before(message->attempt.journey_id, PG_INT64_MAX);
	if (act != NULL && act->pause >= 0)
		return;
	message->due_at = act != NULL ? act->at : message->attempt.enqueued_at;
	message->error = NULL;
	message->is_changed = true;
	jo_due_add_message(member, message);
}

/*
 * Apply message.sent, .failed, .deferred, .withheld and .expired; other reports
 * only steer journeys.
 */
void
jo_message_report(JoBatch *batch, JoMember *member, const JoEvent *event)
{
	pg_uuid_t	message_id;
	pg_uuid_t	enrollment_id;
	JoMessage  *message;

	/* also what only the runs will look at: malformed, it is nobody's fault */
	(void) jo_json_uuid(event->payload, "enrollment_id", &enrollment_id);
	if (!jo_json_uuid(event->payload, "message_id", &message_id) ||
		jo_kept_report(batch, member, event, &message_id))
		return;
	if (jo_streq(event->name, "message.failed"))
		report_failed(batch, member, event, &message_id);
	else if (jo_streq(event->name, "message.deferred"))
		report_deferred(batch, member, event, &message_id);
	else if (jo_streq(event->name, "message.withheld"))
		report_withheld(batch, member, event, &message_id);
	else if (jo_streq(event->name, "message.expired"))
		report_expired(batch, member, event, &message_id);
	else if (jo_streq(event->name, "message.sent"))
	{
		message = jo_member_message(member, &message_id);
		if (message != NULL)
			settle_sent(batch, message, event);
	}
}

/* Enqueue the next attempt of a message that is due, if the gates allow it. */
void
jo_message_due(JoBatch *batch, JoMember *member, JoMessage *message)
{
	if (jo_kept_expire(message) ||
		jo_message_is_stopped(batch, member, message))
		return;
	message->due_at = JO_NO_TIME;
	message->state = "enqueued";
	message->is_changed = true;
	if (message->attempt.attempt == 0)
	{
		/* deferred before its first attempt */
		jo_message_id_place(&message->attempt.message_id, batch->lane,
							jo_outbox_position(message->attempt.priority,
											   batch->cursor.next_outbox));
		jo_member_forget_index(member);
	}
	message->attempt.attempt++;
	message->attempt.enqueued_at = member->now;
	jo_message_append(batch, member, message->run, &message->attempt);
	if (!jo_kept_out(member, message) && !message->is_awaited)
		message->is_settled = true;
}

/* The run was ended by a goal or an exit rule: drop what it still had to send. */
void
jo_message_forget(JoRun *run)
{
	ListCell   *cell;

	foreach(cell, run->messages)
	{
		JoMessage  *message = lfirst(cell);

		if (jo_kept_is_audience(message->attempt.channel))
			continue;			/* see jo_kept_leave() */
		message->is_settled = true;
		message->is_changed = true;
	}
}
