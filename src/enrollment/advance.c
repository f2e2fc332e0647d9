/*
 * enrollment/advance.c
 *	  Moves a run from step to step until it blocks or ends, and logs each move.
 *
 * The visit (step.h) is all that step code sees; this file carries out the
 * verdicts.  Nothing here reads a table or a clock.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "enrollment/careful.h"

/* Moves of one run at one instant before it is taken to be spinning. */
#define MOVES_PER_INSTANT 1000

static const JoStepFunction step_functions[] = {
	[JO_SEND] = jo_step_send,
	[JO_DELAY] = jo_step_delay,
	[JO_WAIT] = jo_step_wait,
	[JO_BRANCH] = jo_step_branch,
	[JO_SPLIT] = jo_step_split,
	[JO_UPDATE] = jo_step_update,
	[JO_EXIT] = jo_step_exit
};

/* The run is to be advanced in this round. */
void
jo_run_set_moving(JoBatch *batch, JoRun *run)
{
	run->state = JO_ENROLLMENT_MOVING;
	run->is_changed = true;
}

/* Put the run at the start of a visit of step "next". */
static void
arrive(JoRun *run, int next)
{
	run->step = next;
	run->step_name = run->graph->steps[next].name;
	run->visit++;
	run->arrived_at = run->member->now;
	run->due_at = JO_NO_TIME;
	run->state = JO_ENROLLMENT_MOVING;
	run->is_changed = true;
	memset(&run->visit_state, 0, sizeof(JoVisit));
}

/* A run enters: log it, remember it, stand it at the first step. */
void
jo_run_enter(JoBatch *batch, JoRun *run)
{
	JoLogRow   *row;

	arrive(run, run->graph->start);
	row = jo_log(batch, run, "entered");
	row->arrived_at = JO_NO_TIME;
	row->to_step = run->step_name;
	row->reason = run->is_holdout ? "holdout" : NULL;
	jo_memory_entered(batch, run);
	batch->entered++;
	batch->advances++;
}

/*
 * A timer moves the run.  Unless that is late, local times count from its due
 * time: not a moment that passed before a worker came may cost a day.
 */
static void
fire(JoRun *run, JoLogRow *row)
{
	run->fired_at = run->member->now;
	run->fired_due = run->due_at;
	if (!jo_decision_is_late(run))
		return;
	run->fired_due = run->member->now;
	row->decision = jo_jsonb_put(row->decision, "late",
								 jo_decision_of_lateness(run));
}

/* Move to "next" and log it. */
void
jo_run_move(JoBatch *batch, JoRun *run, int next, const char *reason)
{
	JoLogRow   *row = jo_log(batch, run, "advanced");

	if (run->member->event == NULL && run->due_at != JO_NO_TIME)
		fire(run, row);
	row->from_step = run->step_name;
	row->reason = reason;
	arrive(run, next);
	row->to_step = run->step_name;
	row->visit = run->visit;
	run->advances++;
	batch->advances++;
}

/*
 * The step's time starts again: the event it restarts on recurred.  The step
 * computes its due time as on arrival; the visit stays the same.
 */
void
jo_run_restart(JoBatch *batch, JoRun *run)
{
	JoLogRow   *row = jo_log(batch, run, "restarted");

	row->from_step = run->step_name;
	row->to_step = run->step_name;
	row->reason = run->member->event->name;
	run->due_at = JO_NO_TIME;
	run->is_restarted = true;
	jo_run_set_moving(batch, run);
	memset(&run->visit_state, 0, sizeof(JoVisit));
}

/*
 * End the run.  "withdraws": by a goal or an exit rule, which takes back what
 * was enqueued and not claimed yet; a message sent before an exit step outlives
 * its run.
 */
void
jo_run_end(JoBatch *batch, JoRun *run, const char *reason, bool withdraws)
{
	JoLogRow   *row = jo_log(batch, run, "ended");

	row->from_step = run->step_name;
	row->entered_at = run->entered_at;
	row->reason = reason;
	run->state = JO_ENROLLMENT_ENDED;
	run->due_at = JO_NO_TIME;
	run->is_changed = true;
	jo_memory_ended(batch, run);
	batch->ended++;
	batch->advances++;
	if (withdraws && run->has_messages)
	{
		JoWithdrawal *withdrawal = palloc(sizeof(JoWithdrawal));

		withdrawal->enrollment_id = run->id;
		withdrawal->before_position = batch->cursor.next_outbox;
		withdrawal->at = run->member->now;
		withdrawal->reason = reason;
		batch->withdrawals = lappend(batch->withdrawals, withdrawal);
		jo_message_forget(run->member, run);
	}
}

/* Log a conversion; the run goes on unless the caller ends it. */
void
jo_run_convert(JoBatch *batch, JoRun *run, const char *reason,
			   bool has_value, Datum value, const char *currency)
{
	JoLogRow   *row = jo_log(batch, run, "converted");

	row->from_step = run->step_name;
	row->reason = reason;
	row->has_value = has_value;
	row->value = value;
	row->currency = currency;
}

/* Leave the run where it is, with its error, for an operator. */
void
jo_run_park(JoBatch *batch, JoRun *run, const JoError *error,
			const char *expression)
{
	JoLogRow   *row = jo_log(batch, run, "parked");

	run->state = JO_ENROLLMENT_PARKED;
	run->due_at = JO_NO_TIME;
	run->is_changed = true;
	run->error = jo_jsonb_error(error, expression);
	row->from_step = run->step_name;
	row->to_step = run->step_name;
	row->reason = error->sqlstate;
	row->decision = run->error;
}

/* Park a run whose graph or whose own moves are at fault. */
static void
park_with(JoBatch *batch, JoRun *run, int code, char *message)
{
	JoError		error = {.message = message};

	strlcpy(error.sqlstate, unpack_sql_state(code), sizeof(error.sqlstate));
	jo_run_park(batch, run, &error, NULL);
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
	visit->is_holdout = run->is_holdout;
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

/* The run stays at its step: its newest log row tells until when. */
static void
block(JoRun *run)
{
	run->state = run->visit_state.state;
	run->due_at = run->visit_state.due_at;
	run->is_changed = true;
	jo_run_keep_pause(run);
	if (run->last_log != NULL)
		run->last_log->due_at = run->due_at;
	keep_note(run->last_log, "due", jo_decision_of_note(&run->visit_state.note));
}

/* Leave the step for visit->next, taking its outputs along. */
static void
leave_step(JoBatch *batch, JoRun *run)
{
	const char *arm = run->visit_state.arm;
	Jsonb	   *note = jo_decision_of_note(&run->visit_state.note);
	Jsonb	   *delta = keep_outputs(run);

	jo_run_move(batch, run, run->visit_state.next, run->visit_state.reason);
	run->last_log->arm = arm;
	run->last_log->context = delta;
	keep_note(run->last_log, "passed", note);
}

/* Carry out a verdict that is not a request.  True: the run is at rest. */
static bool
carry_out(JoBatch *batch, JoTask *task, JoVerdict verdict)
{
	JoRun	   *run = task->run;
	JoVisit    *visit = &run->visit_state;

	if (visit->sends)
		jo_message_enqueue(batch, run, task->payload);
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
		jo_run_end(batch, run, visit->reason, false);
		keep_note(run->last_log, "passed", jo_decision_of_note(&visit->note));
		return true;
	}
	if (verdict == JO_VERDICT_FAIL)
	{
		jo_run_park(batch, run, visit->error, NULL);
		return true;
	}
	if (run->advances >= MOVES_PER_INSTANT)
	{
		park_with(batch, run, ERRCODE_STATEMENT_TOO_COMPLEX,
				  psprintf("spin: %d moves without time passing",
						   MOVES_PER_INSTANT));
		return true;
	}
	leave_step(batch, run);
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
		verdict = step_functions[visit->step->verb] (visit);
		if (verdict == JO_VERDICT_ASK)
		{
			task->request = JO_REQUEST_VALUE;
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
	jo_run_park(batch, task->run, error,
				task->request == JO_REQUEST_VALUE ?
				jo_expression_sql(task->expression) : NULL);
}

/* A task that advances a moving run until it is at rest. */
JoTask *
jo_advance_task(JoBatch *batch, JoRun *run)
{
	JoTask	   *task = palloc0(sizeof(JoTask));

	task->resume = advance_resume;
	task->fail = advance_fail;
	task->member = run->member;
	task->run = run;
	task->graph = run->graph;
	task->composed = run->visit_state.composed;
	return task;
}
