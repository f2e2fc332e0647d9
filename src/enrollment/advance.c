/*
 * enrollment/advance.c
 *	  Takes a run from step to step until it blocks or ends.
 *
 * The visit (step.h) is all that step code sees; this file carries out the
 * verdicts, by the moves of move.c.  Nothing here reads a table or a clock.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "enrollment/careful.h"
#include "enrollment/cause.h"
#include "enrollment/json.h"
#include "enrollment/message.h"
#include "experiment/holdout.h"

/* Moves of one run at one instant before it is taken to be spinning. */
#define MOVES_PER_INSTANT 1000

/* Tries of a call that others block, and the time between the first two: in
 * all eight and a half minutes. */
#define CALL_TRIES 10
#define CALL_BACKOFF USECS_PER_SEC

static const JoStepFunction step_functions[] = {
	[JO_SEND] = jo_step_send,
	[JO_DELAY] = jo_step_delay,
	[JO_WAIT] = jo_step_wait,
	[JO_BRANCH] = jo_step_branch,
	[JO_SPLIT] = jo_step_split,
	[JO_UPDATE] = jo_step_update,
	[JO_CALL] = jo_step_call,
	[JO_EMIT] = jo_step_emit,
	[JO_ENTER] = jo_step_enter,
	[JO_APPROVE] = jo_step_approve,
	[JO_DIGEST] = jo_step_digest,
	[JO_EXIT] = jo_step_exit
};

/* Park a run whose graph or whose own moves are at fault. */
static void
park_with(JoBatch *batch, JoRun *run, int code, char *message)
{
	JoError		error = {.message = message};

	strlcpy(error.sqlstate, unpack_sql_state(code), sizeof(error.sqlstate));
	jo_run_park(batch, run, &error, NULL);
}

/* The event that brought the run to its step, by name; NULL: see is_spent. */
static const char *
cause_of(const JoRun *run)
{
	if (run->is_spent)
		return NULL;
	return run->event_name != NULL ? run->event_name : run->entry_name;
}

/* Why the step does nothing to others, or NULL. */
static const char *
holdout_of(const JoRun *run, const JoStep *step)
{
	if (run->is_global_holdout && step->verb == JO_SEND &&
		jo_topic_is_exempt(step->u.send.topic))
		return NULL;
	return jo_holdout_reason(run);
}

static void
begin_visit(JoRun *run)
{
	JoVisit    *visit = &run->visit_state;

	visit->graph = run->graph;
	visit->step = &run->graph->steps[run->step];
	visit->customer_id = run->member->customer_id;
	visit->timezone = jo_run_timezone(run);
	visit->is_own_timezone = run->member->profile.timezone != NULL;
	visit->unknown_timezone = run->member->profile.unknown_timezone;
	visit->now = run->member->now;
	visit->arrival = run->fired_at == visit->now ? run->fired_due : visit->now;
	visit->context = run->context;
	visit->holdout = holdout_of(run, visit->step);
	visit->is_restart = run->is_restarted;
	visit->happened = jo_progress_happened(run);
	visit->cause = cause_of(run);
	visit->run_key = run->key;
}

JoVisit *
jo_visit_begin(JoRun *run)
{
	memset(&run->visit_state, 0, sizeof(JoVisit));
	begin_visit(run);
	return &run->visit_state;
}

/* Lay what the step put out over the context; returns what was added. */
static Jsonb *
keep_outputs(JoRun *run)
{
	Jsonb	   *delta = NULL;
	ListCell   *cell;

	foreach(cell, run->visit_state.outputs)
	{
		JoOutput   *output = lfirst(cell);

		delta = jo_jsonb_put(delta, output->name, output->value);
		run->context = jo_jsonb_put(run->context, output->name,
									output->value);
	}
	return delta;
}

/* Keep what the visit's due time was computed from in a row of the log. */
static void
keep_note(JoLogRow *row, const char *name, Jsonb *note)
{
	if (row != NULL && note != NULL)
		row->decision = jo_jsonb_put(row->decision, name, note);
}

/* Keep which gate has withheld or deferred the step's message, if one did. */
static void
keep_gate(JoLogRow *row, const JoGateDecision *decision)
{
	if (decision != NULL)
		keep_note(row, decision->answer == JO_GATE_DEFER ? "deferred" :
				  "withheld", jo_decision_of_gate(decision));
}

/*
 * The run stays at its step: its newest log row tells until when, not counting
 * a pause that is under way.
 */
static void
block(JoRun *run)
{
	run->state = run->visit_state.state;
	run->due_at = run->visit_state.due_at;
	run->is_changed = true;
	if (run->last_log != NULL)
		run->last_log->due_at = run->due_at;
	jo_run_keep_pause(run);
	jo_due_add_run(run);
	keep_note(run->last_log, "due", jo_decision_of_note(&run->visit_state.note));
	keep_gate(run->last_log, run->visit_state.stopped_by);
}

/* Leave the step for visit->next, taking its outputs along. */
void
jo_run_leave(JoBatch *batch, JoRun *run)
{
	const char *arm = run->visit_state.arm;
	Jsonb	   *note = jo_decision_of_note(&run->visit_state.note);
	const JoGateDecision *gate = run->visit_state.stopped_by;
	Jsonb	   *delta;

	if (run->visit_state.takes_happened)
		jo_progress_recall(run);
	if (run->visit_state.step->verb == JO_DIGEST)
		jo_visit_put(&run->visit_state, run->visit_state.step->into,
					 jo_digest_finish(batch, run));
	delta = keep_outputs(run);
	jo_run_move(batch, run, run->visit_state.next, run->visit_state.reason);
	run->last_log->arm = arm;
	run->last_log->context = delta;
	keep_note(run->last_log, "passed", note);
	keep_gate(run->last_log, gate);
}

/*
 * The step failed with "error": take "on_failure", with the error in the log,
 * or park the run.  Nothing that the step had put out is kept.
 */
void
jo_run_fail(JoBatch *batch, JoRun *run, const JoError *error,
			const char *expression)
{
	const JoStep *step = &run->graph->steps[run->step];

	if (step->verb == JO_SEND || step->on_failure == JO_NO_STEP)
	{
		jo_run_park(batch, run, error, expression);
		return;
	}
	jo_run_move(batch, run, step->on_failure, "failed");
	run->last_log->decision = jo_jsonb_error(error, expression);
}

void
jo_run_answer(JoBatch *batch, JoRun *run, int next, const char *reason,
			  Jsonb *output)
{
	JoVisit    *visit = &run->visit_state;

	/* what came is in the context; "event" is the entry event, as for a timer */
	jo_run_forget_cause(run);
	run->event_id = run->member->event->seq;
	run->advances = 0;
	memset(visit, 0, sizeof(JoVisit));
	visit->next = next;
	visit->reason = reason;
	visit->step = &run->graph->steps[run->step];
	jo_visit_put(visit, visit->step->into, output);
	jo_run_leave(batch, run);
}

void
jo_run_try_again(JoBatch *batch, JoRun *run)
{
	jo_run_set_moving(batch, run);
	run->due_at = JO_NO_TIME;
	memset(&run->visit_state, 0, sizeof(JoVisit));
}

/*
 * A call was blocked by others: the run stays at its step and tries again
 * later, each time after twice as long.  False when it has tried often enough.
 */
static bool
postpone(JoBatch *batch, JoRun *run, const JoError *error,
		 const char *expression)
{
	int			tries = jo_json_int(run->error, "attempts", 0) + 1;
	JoLogRow   *row;

	if (tries >= CALL_TRIES)
		return false;
	row = jo_log(batch, run, "retried");
	run->state = JO_ENROLLMENT_DELAYED;
	run->due_at = run->member->now + CALL_BACKOFF * ((int64) 1 << (tries - 1));
	run->error = jo_json_put_int(jo_jsonb_error(error, expression),
								 "attempts", tries);
	run->is_changed = true;
	jo_due_add_run(run);
	row->from_step = run->step_name;
	row->to_step = run->step_name;
	row->due_at = run->due_at;
	row->reason = error->sqlstate;
	row->decision = run->error;
	return true;
}

/* What the step does to others than its run. */
static void
reach_out(JoBatch *batch, JoTask *task)
{
	JoRun	   *run = task->run;
	JoVisit    *visit = &run->visit_state;

	if (visit->sends && visit->composed == JO_COMPOSED_DEFERRED)
		jo_message_defer(batch, run, task->payload, visit->decision);
	else if (visit->sends)
		jo_message_enqueue(batch, run, task->payload);
	if (visit->withheld != NIL)
		jo_run_keep_withheld(batch, run);
	if (visit->emits)
		jo_cause_event(batch, run, visit->step->u.emit.event,
					   visit->payload != NULL ? visit->payload :
					   jo_jsonb_empty());
	if (visit->enters)
		jo_child_enter(batch, run);
	if (visit->asks)
	{
		JoAsking   *asking = palloc(sizeof(JoAsking));

		asking->run = run;
		asking->visit = run->visit;
		asking->step = run->step_name;
		asking->at = run->member->now;
		batch->askings = lappend(batch->askings, asking);
	}
}

/*
 * What an arrival leaves with the run itself.  The digest may be over with the
 * event that brought the run there.
 */
static JoVerdict
keep_arrival(JoBatch *batch, JoRun *run, JoVerdict verdict)
{
	JoVisit    *visit = &run->visit_state;
	const char *reason;

	if (visit->notes_happened)
		jo_progress_note(run, visit->happened);
	if (!visit->collects)
		return verdict;
	reason = jo_digest_collect(batch, run);
	if (reason == NULL)
		return verdict;
	(void) jo_step_digest_due(visit);
	visit->reason = reason;
	memset(&visit->note, 0, sizeof(JoDueNote));
	return JO_VERDICT_GO;
}

/* Carry out a verdict that is not a request.  True: the run is at rest. */
static bool
carry_out(JoBatch *batch, JoTask *task, JoVerdict verdict)
{
	JoRun	   *run = task->run;
	JoVisit    *visit = &run->visit_state;

	if (verdict == JO_VERDICT_FAIL)
	{
		jo_run_fail(batch, run, visit->error,
					visit->ask != NULL ? jo_expression_sql(visit->ask) : NULL);
		return run->state != JO_ENROLLMENT_MOVING;
	}
	if ((visit->emits || visit->enters || visit->withheld != NIL) &&
		jo_cause_is_spinning(run->member))
	{
		jo_run_end(batch, run, "spin", true);
		return true;
	}
	if (verdict == JO_VERDICT_BLOCK || verdict == JO_VERDICT_GO)
		verdict = keep_arrival(batch, run, verdict);
	reach_out(batch, task);
	if (verdict == JO_VERDICT_BLOCK)
	{
		block(run);
		return true;
	}
	if (verdict == JO_VERDICT_END)
	{
		if (visit->converts)
			jo_run_convert(batch, run, visit->reason, visit->has_value,
						   visit->conversion_value, visit->currency);
		jo_run_end(batch, run, visit->reason, visit->withdraws);
		keep_gate(run->last_log, visit->stopped_by);
		keep_note(run->last_log, "passed", jo_decision_of_note(&visit->note));
		return true;
	}
	if (run->advances >= MOVES_PER_INSTANT)
	{
		park_with(batch, run, ERRCODE_STATEMENT_TOO_COMPLEX,
				  psprintf("spin: %d moves without time passing",
						   MOVES_PER_INSTANT));
		return true;
	}
	jo_run_leave(batch, run);
	if (run->pause != NULL)
	{
		/* a wait that began anew in a pause was over at once */
		jo_run_hold(batch, run);
		return true;
	}
	return false;
}

static bool
advance_resume(JoBatch *batch, JoTask *task)
{
	JoRun	   *run = task->run;

	for (;;)
	{
		JoVisit    *visit = &run->visit_state;
		JoVerdict	verdict;

		if (batch->care != NULL && jo_care_parks(batch, run))
			return true;
		if (visit->step == NULL)
			begin_visit(run);
		visit->value = task->value;
		visit->isnull = task->isnull;
		visit->composed = task->composed;
		visit->is_handed_over = task->is_handed_over;
		visit->decision = task->decision;
		verdict = step_functions[visit->step->verb] (visit);
		if (verdict == JO_VERDICT_CALL && jo_cause_is_spinning(run->member))
		{
			jo_run_end(batch, run, "spin", true);
			return true;
		}
		if (verdict == JO_VERDICT_ASK || verdict == JO_VERDICT_CALL)
		{
			task->request = verdict == JO_VERDICT_ASK ? JO_REQUEST_VALUE :
				JO_REQUEST_CALL;
			task->expression = visit->ask;
			task->variables = jo_run_variables(batch, run,
											   jo_expression_uses(visit->ask));
			return false;
		}
		if (verdict == JO_VERDICT_COMPOSE)
		{
			task->request = JO_REQUEST_MESSAGE;
			task->channel = visit->channel;
			return false;
		}
		if (carry_out(batch, task, verdict))
			return true;
		CHECK_FOR_INTERRUPTS();
	}
}

static void
advance_fail(JoBatch *batch, JoTask *task, const JoError *error)
{
	const char *expression = task->request == JO_REQUEST_MESSAGE ? NULL :
	jo_expression_sql(task->expression);

	if (task->request == JO_REQUEST_CALL && jo_call_is_blocked(error) &&
		postpone(batch, task->run, error, expression))
		return;
	jo_run_fail(batch, task->run, error, expression);
	if (task->run->state == JO_ENROLLMENT_MOVING)
		jo_run_set_moving(batch, task->run);
}

/* A task that advances a moving run until it is at rest. */
JoTask *
jo_advance_task(JoBatch *batch, JoRun *run)
{
	JoTask	   *task = jo_task_create(batch, run->member, run, run->graph);

	task->resume = advance_resume;
	task->fail = advance_fail;
	task->composed = run->visit_state.composed;
	task->decision = run->visit_state.decision;
	return task;
}
