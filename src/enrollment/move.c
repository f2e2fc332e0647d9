/*
 * enrollment/move.c
 *	  What can happen to a run: it enters, moves, converts, ends, is parked.
 *
 * Each of these is a row of the step log, and the log folds into what stands in
 * the table (verify()).  Who decides that it happens is advance.c for steps,
 * offer.c for events and timers, and act.c for acts on the journey.
 */
#include "postgres.h"

#include "enrollment/batch.h"
#include "enrollment/kept.h"
#include "enrollment/message.h"

/* The run is to be advanced in this round. */
void
jo_run_set_moving(JoBatch *batch, JoRun *run)
{
	run->state = JO_ENROLLMENT_MOVING;
	run->is_changed = true;
	if (run->is_queued)
		return;
	run->is_queued = true;
	batch->moving = lappend(batch->moving, run);
}

/* The event brings the run on, or may. */
void
jo_run_give_cause(JoRun *run, const JoEvent *event)
{
	run->event = event->payload;
	run->event_name = event->name;
	run->event_id = event->seq;
	run->is_spent = false;
	run->advances = 0;
}

/* No event has brought the run on: "event" is the entry event. */
void
jo_run_forget_cause(JoRun *run)
{
	run->event = NULL;
	run->event_name = NULL;
	run->is_spent = true;
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
	run->error = NULL;
	run->is_restarted = false;
	run->is_changed = true;
	jo_progress_reset(run);
	memset(&run->visit_state, 0, sizeof(JoVisit));
}

/* A run enters: log it, remember it, stand it at the first step. */
void
jo_run_enter(JoBatch *batch, JoRun *run)
{
	JoLogRow   *row;

	arrive(run, run->graph->start);
	jo_run_set_moving(batch, run);
	row = jo_log(batch, run, "entered");
	row->arrived_at = JO_NO_TIME;
	row->to_step = run->step_name;
	row->reason = jo_holdout_reason(run);
	jo_memory_entered(batch, run);
	jo_tally_entered(batch, run);
	batch->entered++;
	batch->advances++;
}

/* Is the input under way the run's own timer? */
static bool
is_fired(const JoRun *run)
{
	return run->member->event == NULL && run->member->act == NULL &&
		run->due_at != JO_NO_TIME;
}

/* True: the timer is late, and the row says so. */
static bool
note_lateness(const JoRun *run, JoLogRow *row)
{
	if (!jo_decision_is_late(run))
		return false;
	row->decision = jo_jsonb_put(row->decision, "late",
								 jo_decision_of_lateness(run));
	return true;
}

/*
 * A timer moves the run.  Unless that is late, local times count from its due
 * time: not a moment that passed before a worker came may cost a day.
 */
static void
fire(JoRun *run, JoLogRow *row)
{
	run->fired_at = run->member->now;
	run->fired_due = note_lateness(run, row) ? run->member->now : run->due_at;
}

/* Move to "next" and log it. */
void
jo_run_move(JoBatch *batch, JoRun *run, int next, const char *reason)
{
	JoLogRow   *row = jo_log(batch, run, "advanced");

	if (is_fired(run))
		fire(run, row);
	row->from_step = run->step_name;
	row->reason = reason;
	jo_digest_drop(batch, run);
	jo_message_leave_visit(run);
	arrive(run, next);
	row->to_step = run->step_name;
	row->visit = run->visit;
	run->advances++;
	batch->advances++;
	if (run->state != JO_ENROLLMENT_MOVING)
		jo_run_set_moving(batch, run);
}

/*
 * Let the step compute its due time, as on arrival, and nothing else: the visit
 * stays the same, and in a pause it is not held.
 */
void
jo_run_time_again(JoBatch *batch, JoRun *run)
{
	run->due_at = JO_NO_TIME;
	run->is_restarted = true;
	jo_run_set_moving(batch, run);
	memset(&run->visit_state, 0, sizeof(JoVisit));
}

/* The step's time starts again: the event it restarts on recurred. */
void
jo_run_restart(JoBatch *batch, JoRun *run)
{
	JoLogRow   *row = jo_log(batch, run, "restarted");

	row->from_step = run->step_name;
	row->to_step = run->step_name;
	row->reason = run->member->event->name;
	run->restarts++;
	jo_run_time_again(batch, run);
}

/*
 * Take back what the run has enqueued and nobody has claimed yet: a goal is
 * met or an exit rule applies.
 */
void
jo_run_withdraw(JoBatch *batch, JoRun *run, const char *reason)
{
	JoWithdrawal *withdrawal;

	if (!run->has_messages)
		return;
	withdrawal = palloc(sizeof(JoWithdrawal));
	withdrawal->enrollment_id = run->id;
	withdrawal->before_position = batch->cursor.next_outbox;
	withdrawal->at = run->member->now;
	withdrawal->reason = reason;
	batch->withdrawals = lappend(batch->withdrawals, withdrawal);
	run->is_withdrawn = true;
	jo_message_forget(run);
	jo_kept_leave(batch, run);
}

/*
 * When the goal of a run that ends now is over: after the last instant at which
 * it may be met, because a timer of that instant may still cause an event.
 * JO_NO_TIME: it is over, or counts only during the run.
 */
static TimestampTz
goal_closes_at(const JoBatch *batch, const JoRun *run)
{
	const JoGoal *goal = &run->graph->goal;
	TimestampTz closes_at;

	if (!run->graph->has_goal || !goal->has_within ||
		jo_customer_is_missed(batch, run))
		return JO_NO_TIME;
	closes_at = jo_duration_add(run->entered_at, &goal->within,
								jo_run_timezone(run));
	return closes_at >= run->member->now ? closes_at + 1 : JO_NO_TIME;
}

/* Nothing remains of an ended run: its goal is met, or cannot be any more. */
void
jo_run_close(JoRun *run)
{
	run->due_at = JO_NO_TIME;
	run->is_changed = true;
}

/*
 * End the run.  "withdraws": by a goal or an exit rule; a message sent before
 * an exit step outlives its run.  The row stays as long as the goal is open
 * (docs/decisions/0009).
 */
void
jo_run_end(JoBatch *batch, JoRun *run, const char *reason, bool withdraws)
{
	JoLogRow   *row = jo_log(batch, run, "ended");

	jo_digest_drop(batch, run);
	jo_message_leave_visit(run);
	row->from_step = run->step_name;
	row->entered_at = run->entered_at;
	row->reason = reason;
	if (is_fired(run))
		(void) note_lateness(run, row);
	jo_progress_reset(run);
	run->state = JO_ENROLLMENT_ENDED;
	run->due_at = goal_closes_at(batch, run);
	run->is_changed = true;
	jo_due_add_run(run);
	jo_memory_ended(batch, run);
	jo_tally_ended(batch, run);
	batch->ended++;
	batch->advances++;
	if (withdraws)
		jo_run_withdraw(batch, run, reason);
	else
		jo_kept_leave(batch, run);
	jo_child_run_ended(batch, run, reason);
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

/*
 * Leave the run where it is, with its error, for an operator.  One that has
 * ended has nothing to go on with: the log says that its goal raised, and it
 * is watched no longer.
 */
void
jo_run_park(JoBatch *batch, JoRun *run, const JoError *error,
			const char *expression)
{
	bool		is_over = run->state == JO_ENROLLMENT_ENDED;
	JoLogRow   *row = jo_log(batch, run, is_over ? "refused" : "parked");

	row->from_step = run->step_name;
	row->decision = jo_jsonb_error(error, expression);
	if (is_over)
	{
		row->reason = "goal_error";
		jo_run_close(run);
		return;
	}
	row->to_step = run->step_name;
	row->reason = error->sqlstate;
	run->state = JO_ENROLLMENT_PARKED;
	run->due_at = JO_NO_TIME;
	run->is_changed = true;
	run->error = row->decision;
}
