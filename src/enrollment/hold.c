/*
 * enrollment/hold.c
 *	  Runs of a paused journey: held before a step, released by a resume.
 *
 * An event that restarts a wait or delay does so in the pause too.
 *
 * What ends a wait during the pause (an event, a timeout, an ack) still decides
 * where the run goes; there it is held, before the step does anything.  Goal
 * and exit rules look at it as at any other run.  A held run has arrived: its
 * visit is counted, and the order of arrival is the order of release.
 *
 * A paced resume gives every run that was held a due time of its own (people.c,
 * command "$release").  One whose hold was not written yet when the order was
 * made comes after all of those, at its lane's share of the rate.
 */
#include "postgres.h"

#include "core/lane.h"
#include "enrollment/batch.h"
#include "enrollment/json.h"
#include "enrollment/life.h"
#include "enrollment/message.h"

/* Does a pause keep the due time of the run from running out? */
bool
jo_run_is_suspended(const JoRun *run)
{
	return run->pause != NULL && run->pause->extends &&
		(run->state == JO_ENROLLMENT_WAITING ||
		 run->state == JO_ENROLLMENT_DELAYED);
}

/*
 * A run that blocks in a pause has begun its wait anew.  Where its time stands
 * still, the wait counts from when that began: the resume will add the length
 * of the pause.  The log tells it without that, also when it tells it again.
 */
void
jo_run_keep_pause(JoRun *run)
{
	run->is_restarted = false;
	run->paused = 0;
	if (!jo_run_is_suspended(run) || run->due_at == JO_NO_TIME)
		return;
	run->paused = run->member->now - Max(run->pause->at, run->arrived_at);
	run->due_at -= run->paused;
}

/* Hold a moving run before the step that it has arrived at. */
void
jo_run_hold(JoBatch *batch, JoRun *run)
{
	JoLogRow   *row = jo_log(batch, run, "held");

	row->from_step = run->step_name;
	row->to_step = run->step_name;
	row->reason = "paused";
	run->is_restarted = false;
	run->state = JO_ENROLLMENT_HELD;
	run->due_at = JO_NO_TIME;
	run->is_changed = true;
}

/*
 * Let the run execute the step that it stands at, as on arrival.  A send whose
 * message has failed for good tries its next channel.
 */
void
jo_run_again(JoBatch *batch, JoRun *run)
{
	memset(&run->visit_state, 0, sizeof(JoVisit));
	run->due_at = JO_NO_TIME;
	run->advances = 0;
	jo_message_visit_again(run);
	jo_run_set_moving(batch, run);
}

/* Let a held run go on. */
void
jo_run_release(JoBatch *batch, JoRun *run)
{
	JoLogRow   *row = jo_log(batch, run, "released");

	row->from_step = run->step_name;
	row->to_step = run->step_name;
	row->reason = "resumed";
	jo_run_again(batch, run);
}

/* A held run meets the resume of its journey. */
void
jo_run_resume(JoBatch *batch, JoRun *run, const JoAct *act)
{
	double		turn;

	if (act->rate <= 0)
	{
		jo_run_release(batch, run);
		return;
	}
	turn = act->held + batch->lane +
		(double) JO_LANES * batch->late_releases++;
	run->due_at = act->at + (TimestampTz) (turn * 1e6 / act->rate);
	run->is_changed = true;
}

/* Command "$release": the held run's own place. */
void
jo_run_take_turn(JoMember *member, const JoEvent *event)
{
	pg_uuid_t	id;
	TimestampTz at = jo_json_timestamp(event->payload, "at");
	JoRun	   *run;

	if (!jo_json_uuid(event->payload, "enrollment_id", &id))
		return;
	run = jo_member_run(member, &id);
	if (run == NULL || run->state != JO_ENROLLMENT_HELD ||
		run->pause != NULL || at == JO_NO_TIME)
		return;
	run->due_at = at;
	run->is_changed = true;
	jo_due_add_run(run);
}
