/*
 * enrollment/command.c
 *	  Applies a command to its customer: enter, leave, approve, child ended, test;
 *	  those about dead letters are in dead_letter.c.
 *
 * A command is an event whose name begins with "$", given by an application
 * or a person (enter.c, approve.c) or caused by another run of the customer
 * (child.c).  It goes through the lane
 * as every event does, so it meets the journey as it stood at the command's
 * ticket and the customer as all earlier events left him.  It is offered to
 * nobody else.
 *
 * What enters by command has decided already: the entry's "when" is not asked,
 * and the key is the command's.  Everything else that refuses an entry counts.
 */
#include "postgres.h"

#include "core/identity.h"
#include "enrollment/careful.h"
#include "enrollment/dead_letter.h"
#include "enrollment/json.h"
#include "enrollment/message.h"
#include "journey/acts.h"

/* An entry that somebody wants. */
typedef struct Entering
{
	JoBatch    *batch;
	JoMember   *member;
	const JoEvent *event;
	int32		journey_id;		/* 0: no such journey */
	int32		version;
	JoGraph    *graph;			/* NULL: nothing is live */
	char	   *key;
	Jsonb	   *context;
	char	   *from;			/* journey of the enter step; NULL: enter() */
	pg_uuid_t	parent_id;		/* the run that waits ... */
	int32		parent_visit;	/* ... at this visit; 0: none does */
	JoRun	   *parent;			/* NULL: it has gone meanwhile */
	bool		needs_parent;
} Entering;

/* An application's command is answered; one of a run is not. */
JoOutcome *
jo_command_answer(JoBatch *batch, const JoEvent *event, const char *status,
				  const char *rule)
{
	JoOutcome  *outcome = palloc0(sizeof(JoOutcome));

	outcome->command_id = event->seq;
	outcome->status = status;
	outcome->rule = rule;
	outcome->at = event->instant;
	if (!jo_event_is_applied(event->kind))
		batch->outcomes = lappend(batch->outcomes, outcome);
	return outcome;
}

static void
answer_with_run(JoBatch *batch, const JoEvent *event, const char *status,
				const JoRun *run)
{
	JoOutcome  *outcome = jo_command_answer(batch, event, status, NULL);

	outcome->enrollment_id = run->id;
	outcome->has_run = true;
}

/* The rule by which the journey, as it stands at the command, is not entered. */
static const char *
refusal_of_journey(const Entering *entering)
{
	const JoAct *act;

	if (entering->journey_id == 0)
		return "journey_unknown";
	act = jo_act_met(entering->journey_id, entering->event);
	return act == NULL ? "journey_draft" : jo_act_refusal(act);
}

/* The rule by which the entry is not for whoever wants it. */
static const char *
refusal_of_kind(const Entering *entering)
{
	const JoEntry *entry = &entering->graph->entry;

	if (entry->kind == JO_ENTRY_API && entering->from != NULL)
		return "entry_by_api";
	if (entry->kind != JO_ENTRY_JOURNEY)
		return NULL;
	if (entering->from == NULL)
		return "entry_by_journey";
	for (int i = 0; i < entry->nparents; i++)
		if (jo_streq(entry->parents[i], entering->from))
			return NULL;
	return entry->nparents == 0 ? NULL : "entry_by_journey";
}

/* Any rule that refuses; *error says more where one raised. */
static const char *
find_refusal(Entering *entering, const JoError **error)
{
	const char *rule;

	*error = NULL;
	if (entering->needs_parent && entering->parent == NULL)
		return "parent_ended";
	rule = refusal_of_journey(entering);
	if (rule != NULL)
		return rule;
	if (entering->graph->error == NULL)
		rule = refusal_of_kind(entering);
	if (rule != NULL)
		return rule;
	return jo_entry_refusal(entering->batch, entering->member,
							entering->graph, entering->key,
							entering->key != NULL, error);
}

static void
log_refusal(const Entering *entering, const char *rule, const JoError *error)
{
	JoGraph		graph = {0};

	if (entering->journey_id == 0)
		return;
	graph.journey_id = entering->journey_id;
	graph.version = entering->version;
	jo_log_refusal(entering->batch, entering->member, &graph, entering->key,
				   rule, error);
}

static void
read_entering(Entering *entering, JoBatch *batch, JoMember *member)
{
	Jsonb	   *payload = member->event->payload;
	char	   *name = jo_json_string(payload, "journey");
	const JoAct *act;

	entering->batch = batch;
	entering->member = member;
	entering->event = member->event;
	entering->journey_id = jo_json_int(payload, "journey_id", 0);
	if (entering->journey_id == 0 && name != NULL)
		entering->journey_id = jo_journey_id(name);
	entering->key = jo_json_string(payload, "key");
	entering->context = jo_json_object(payload, "context");
	if (entering->context == NULL)
		entering->context = jo_jsonb_empty();
	entering->from = jo_json_string(payload, "from");
	entering->parent_visit = jo_json_int(payload, "parent_visit", 0);
	if (entering->parent_visit != 0 &&
		jo_json_uuid(payload, "parent_id", &entering->parent_id))
		entering->parent = jo_child_find_parent(member, &entering->parent_id,
												entering->parent_visit);
	entering->needs_parent = jo_json_string(payload, "when_cancelled") != NULL;
	if (entering->journey_id == 0)
		return;
	act = jo_act_met(entering->journey_id, entering->event);
	entering->version = act != NULL ? act->version : 0;
	if (entering->version != 0)
		entering->graph = jo_graph(entering->journey_id, entering->version);
}

/* Nobody entered: the parent goes on, by "on_failure" where it has one. */
static void
tell_parent(const Entering *entering, const char *rule)
{
	JoRun	   *parent = entering->parent;
	const JoStep *step;
	Jsonb	   *output;

	if (parent == NULL)
		return;
	step = &parent->graph->steps[parent->step];
	output = jo_json_put_string(NULL, "reason", "refused");
	output = jo_json_put_string(output, "rule", rule);
	output = jo_json_put_string(output, "journey", step->u.enter.journey);
	jo_run_answer(entering->batch, parent,
				  step->on_failure != JO_NO_STEP ? step->on_failure :
				  step->next, "refused", output);
}

static JoRun *
start_run(const Entering *entering)
{
	JoRun	   *run = jo_entry_start(entering->batch, entering->member,
									 entering->graph, entering->key,
									 jo_jsonb_empty(), entering->context);

	if (entering->parent_visit != 0)
	{
		run->parent_id = entering->parent_id;
		run->parent_visit = entering->parent_visit;
	}
	return run;
}

static void
apply_enter(JoBatch *batch, JoMember *member)
{
	Entering	entering = {0};
	const JoError *error;
	const char *rule;

	read_entering(&entering, batch, member);
	rule = find_refusal(&entering, &error);
	if (rule != NULL)
		log_refusal(&entering, rule, error);
	else if (batch->care != NULL &&
			 jo_care_refuses(batch, member, entering.graph))
		rule = "entry_error";
	if (rule != NULL)
	{
		jo_command_answer(batch, member->event, "refused", rule);
		tell_parent(&entering, rule);
	}
	else
		answer_with_run(batch, member->event, "entered",
						start_run(&entering));
}

/* The run that the event is about, or NULL when it has ended. */
static JoRun *
run_of_event(JoMember *member)
{
	pg_uuid_t	id;
	JoRun	   *run;

	if (!jo_json_uuid(member->event->payload, "enrollment_id", &id))
		return NULL;
	run = jo_member_run(member, &id);
	return run != NULL && run->state != JO_ENROLLMENT_ENDED ? run : NULL;
}

/* The customer's row may have gone while the run was at rest. */
static bool
end_if_missed(JoBatch *batch, JoRun *run)
{
	if (!jo_customer_is_missed(batch, run))
		return false;
	run->event_id = run->member->event->seq;
	jo_run_end(batch, run, "customer_deleted", true);
	return true;
}

/* The child of a run that waits for it has ended. */
static void
apply_child_ended(JoBatch *batch, JoMember *member)
{
	Jsonb	   *payload = member->event->payload;
	int32		visit = jo_json_int(payload, "parent_visit", 0);
	pg_uuid_t	parent_id;
	JoRun	   *run = NULL;
	Jsonb	   *output;
	Jsonb	   *context = jo_json_object(payload, "context");

	if (jo_json_uuid(payload, "parent_id", &parent_id))
		run = jo_child_find_parent(member, &parent_id, visit);
	if (run == NULL || end_if_missed(batch, run))
		return;
	output = jo_json_put_string(NULL, "journey",
								jo_json_string(payload, "journey"));
	output = jo_json_put_string(output, "reason",
								jo_json_string(payload, "reason"));
	output = jo_jsonb_put(output, "context",
						  context != NULL ? context : jo_jsonb_empty());
	jo_run_answer(batch, run, run->graph->steps[run->step].next,
				  jo_json_string(payload, "reason"), output);
}

/* The step of a decision, or JO_NO_STEP. */
static int
step_of_decision(const JoStep *step, const char *decision)
{
	for (int i = 0; i < step->u.approve.ndecisions; i++)
		if (decision != NULL &&
			jo_streq(step->u.approve.decisions[i], decision))
			return step->u.approve.next[i];
	return JO_NO_STEP;
}

/*
 * Why the run does not take the decision, or NULL.  It may have been moved to
 * another version since the call, whose step asks other people.
 */
static const char *
refusal_of_decision(const JoRun *run, int32 visit, const char *decision,
					const char *role)
{
	const JoStep *step;

	if (run == NULL || run->visit != visit)
		return "not_waiting";
	if (run->state == JO_ENROLLMENT_PARKED)
		return "parked";
	if (run->state != JO_ENROLLMENT_WAITING || run->graph->error != NULL)
		return "not_waiting";
	step = &run->graph->steps[run->step];
	if (step->verb != JO_APPROVE ||
		step_of_decision(step, decision) == JO_NO_STEP)
		return "not_waiting";
	if (role == NULL || !jo_streq(step->u.approve.role, role))
		return "not_allowed";
	return NULL;
}

/* A person has decided. */
static void
apply_approve(JoBatch *batch, JoMember *member)
{
	const JoEvent *event = member->event;
	Jsonb	   *payload = event->payload;
	char	   *decision = jo_json_string(payload, "decision");
	JoRun	   *run = run_of_event(member);
	const char *rule;
	Jsonb	   *output;

	rule = refusal_of_decision(run, jo_json_int(payload, "visit", 0),
							   decision, jo_json_string(payload, "role"));
	if (rule == NULL && end_if_missed(batch, run))
		rule = "not_waiting";
	if (rule != NULL)
	{
		jo_command_answer(batch, event, "refused", rule);
		return;
	}
	answer_with_run(batch, event, "decided", run);
	output = jo_json_put_string(NULL, "decision", decision);
	output = jo_json_put_string(output, "actor",
								jo_json_string(payload, "actor"));
	output = jo_json_put_string(output, "note",
								jo_json_string(payload, "note"));
	output = jo_json_put_time(output, "at", member->now);
	jo_run_answer(batch, run,
				  step_of_decision(&run->graph->steps[run->step], decision),
				  decision, output);
}

/* End a run because somebody said so. */
static void
dismiss(JoBatch *batch, JoRun *run, const JoEvent *event, const char *reason)
{
	run->event_id = event->seq;
	jo_run_end(batch, run, reason, true);
}

/* An application's: every run of the journey, or those with the key. */
static void
apply_leave(JoBatch *batch, JoMember *member)
{
	const JoEvent *event = member->event;
	int32		journey_id = jo_json_int(event->payload, "journey_id", 0);
	char	   *key = jo_json_string(event->payload, "key");
	char	   *reason = jo_json_string(event->payload, "reason");
	JoRun	   *first = NULL;
	ListCell   *cell;

	foreach(cell, member->runs)
	{
		JoRun	   *run = lfirst(cell);

		if (run->journey_id != journey_id ||
			run->state == JO_ENROLLMENT_ENDED ||
			(key != NULL && !jo_key_equals(run->key, key)))
			continue;
		dismiss(batch, run, event, reason != NULL ? reason : "left");
		if (first == NULL)
			first = run;
	}
	if (first != NULL)
		answer_with_run(batch, event, "left", first);
	else
		jo_command_answer(batch, event, "refused", "not_inside");
}

/* A parent's: its child, which was not to outlive it. */
static void
apply_dismissal(JoBatch *batch, JoMember *member)
{
	JoRun	   *run = run_of_event(member);

	if (run != NULL)
		dismiss(batch, run, member->event,
				jo_json_string(member->event->payload, "reason"));
}

/*
 * Hand a test message to the outbox.  send_test() has rendered it in its caller's
 * session, but only the lane's one writer may append to a lane's outbox.  It
 * belongs to no run: its enrollment_id is one that no run has, and its visit is
 * 0, by which everybody knows it.
 */
static void
apply_test(JoBatch *batch, JoMember *member)
{
	const JoEvent *event = member->event;
	Jsonb	   *command = event->payload;
	JoAttempt	attempt = {0};

	if (batch->sink->take_attempt != NULL)
		return;					/* nothing is simulated of it */
	attempt.journey_id = jo_json_int(command, "journey_id", 0);
	jo_enrollment_id(&attempt.enrollment_id, attempt.journey_id,
					 event->identity);
	jo_message_id(&attempt.message_id, &attempt.enrollment_id, 0);
	attempt.priority = 5;
	jo_message_id_place(&attempt.message_id, batch->lane,
						jo_outbox_position(attempt.priority,
										   batch->cursor.next_outbox));
	attempt.channel = jo_json_string(command, "channel");
	attempt.customer_id = member->customer_id;
	attempt.template = jo_json_string(command, "template");
	attempt.step = jo_json_string(command, "step");
	attempt.topic = jo_json_string(command, "topic");
	attempt.payload = jo_json_object(command, "payload");
	attempt.event_id = event->seq;
	attempt.enqueued_at = member->now;
	attempt.expires_at = JO_NO_TIME;
	attempt.version = jo_json_int(command, "version", 0);
	attempt.attempt = 1;
	jo_message_append(batch, member, NULL, &attempt);
}

/* Apply the member's event, which is a command. */
void
jo_command_apply(JoBatch *batch, JoMember *member)
{
	const char *name = member->event->name;

	if (jo_streq(name, JO_COMMAND_ENTER))
		apply_enter(batch, member);
	else if (jo_streq(name, JO_COMMAND_LEAVE) &&
			 jo_event_is_applied(member->event->kind))
		apply_dismissal(batch, member);
	else if (jo_streq(name, JO_COMMAND_LEAVE))
		apply_leave(batch, member);
	else if (jo_streq(name, JO_COMMAND_APPROVE))
		apply_approve(batch, member);
	else if (jo_streq(name, JO_COMMAND_TEST))
		apply_test(batch, member);
	else if (jo_streq(name, JO_COMMAND_CHILD_ENDED))
		apply_child_ended(batch, member);
	else if (jo_streq(name, JO_COMMAND_REDELIVER))
		jo_dead_letter_redeliver(batch, member);
	else if (jo_streq(name, JO_COMMAND_DISCARD))
		jo_dead_letter_discard(batch, member);
}
